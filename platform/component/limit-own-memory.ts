import { limitMemories } from '../../core/wasm/limit-memory.ts';

/**
 * jco's tools are WebAssembly themselves, whose memory Node's heap limit does not count. From now on every module this process
 * compiles gets at most `memoryMb` of memory; what grows further traps. Import tools only afterwards.
 */
export function limitOwnMemory(memoryMb: number): void {
  const compile = WebAssembly.compile.bind(WebAssembly);
  WebAssembly.compile = async (bytes) =>
    compile(limitMemories({ module: bytes }, memoryMb)['module'] ?? bytes);
}
