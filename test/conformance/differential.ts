import { BinaryReader, readSections } from '../../core/wasm/binary.ts';
import { rewriteModules } from '../../core/wasm/rewrite.ts';
import { SECTION } from '../../core/wasm/sections.ts';
import { KIND } from '../../core/wasm/types.ts';
import { markedPages, RewrittenHost, unmarkedChanges } from '../support/rewritten-host.ts';
import { ExactCalls, type ExactValue } from './exact-calls.ts';

const TYPE_NAMES: Readonly<Record<number, string>> = {
  0x7f: 'i32',
  0x7e: 'i64',
  0x7d: 'f32',
  0x7c: 'f64',
  0x7b: 'v128',
  0x70: 'funcref',
  0x6f: 'externref',
};

interface Signature {
  name: string;
  parameters: string[];
  results: string[];
}

export interface Comparison {
  /** Calls that had the same outcome. */
  same: number;
  traps: number;
  rewinds: number;
  differences: string[];
}

/** Calls the exports of a module that imports nothing, as it is and rewritten, and compares outcomes, memories and globals. */
export function compareRewritten(original: Uint8Array, argument: (type: string) => ExactValue): Comparison {
  const comparison: Comparison = { same: 0, traps: 0, rewinds: 0, differences: [] };
  const { modules, rewindable } = rewriteModules({ m: original }, { memoryMb: 4096 });
  const host = new RewrittenHost();
  const plain = started(() => new WebAssembly.Instance(new WebAssembly.Module(original)));
  const rewritten = started(() => host.instantiate(new WebAssembly.Module(modules['m'] ?? original)));
  if (typeof plain === 'string' || typeof rewritten === 'string') {
    if (plain !== rewritten)
      comparison.differences.push('only one starts, or they trap for different reasons');
    return comparison;
  }
  host.save();
  const atStart = host.fuelUsed;
  const calls = signaturesOf(original).flatMap((signature) =>
    [1, 2].map(() => ({ signature, args: signature.parameters.map(argument) })),
  );
  const exact = new ExactCalls();
  const call = (instance: WebAssembly.Instance, { signature, args }: (typeof calls)[number]): string =>
    outcomeOf(() => {
      const results = signature.results.map((type) => ({ type }));
      return exact
        .call(instance.exports[signature.name] as () => unknown, args, results)
        .map(describe)
        .join();
    });

  const outcomes: string[] = [];
  for (const each of calls) {
    const outcome = call(plain, each);
    const other = call(rewritten, each);
    // How deep the stack is depends on the compiler that V8 uses for a function, and on when.
    if (isTooDeep(outcome) || isTooDeep(other)) return comparison;
    outcomes.push(outcome);
    if (outcome.startsWith('RuntimeError')) comparison.traps += 1;
    if (outcome === other) comparison.same += 1;
    else comparison.differences.push(`${each.signature.name}: ${outcome}, rewritten ${other}`);
    comparison.differences.push(...stateDifferences(plain, rewritten));
  }
  comparison.differences.push(...unmarked(host));
  if (!rewindable.yes) return comparison;

  const used = host.fuelUsed - atStart;
  host.rewind();
  comparison.rewinds += 1;
  for (const { memory, snapshot } of host.memories) {
    if (unmarkedChanges(snapshot, new Uint8Array(memory.buffer), []).length > 0)
      comparison.differences.push('memory is not what it was');
  }
  const fresh = new WebAssembly.Instance(new WebAssembly.Module(original));
  comparison.differences.push(...stateDifferences(fresh, rewritten));
  const isGrown = host.memories.some(({ memory, snapshot }) => memory.buffer.byteLength > snapshot.length);
  if (isGrown && outcomes.some((outcome) => outcome.includes('out of bounds'))) return comparison;
  const again = calls.map((each) => call(rewritten, each));
  if (again.some(isTooDeep)) return comparison;
  again.forEach((outcome, nth) => {
    if (outcome !== outcomes[nth])
      comparison.differences.push(`rewound: ${String(outcomes[nth])}, then ${outcome}`);
  });
  const usedAgain = host.fuelUsed - atStart - used;
  if (usedAgain !== used) comparison.differences.push(`fuel ${used}, rewound ${usedAgain}`);
  return comparison;
}

function started<T>(start: () => T): T | string {
  try {
    return start();
  } catch (error) {
    return (error as Error).message;
  }
}

function outcomeOf(act: () => string): string {
  try {
    return act();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

const isTooDeep = (outcome: string): boolean => outcome.includes('call stack');

function describe(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  return Object.is(value, -0) ? '-0' : String(value);
}

function unmarked(host: RewrittenHost): string[] {
  return host.memories.flatMap(({ memory, map, snapshot }) => {
    const pages = unmarkedChanges(snapshot, new Uint8Array(memory.buffer), markedPages(map));
    return pages.length === 0 ? [] : [`pages changed without a mark: ${pages.join()}`];
  });
}

/** Memories and globals that both export. */
function stateDifferences(a: WebAssembly.Instance, b: WebAssembly.Instance): string[] {
  return Object.entries(a.exports).flatMap(([name, value]) => {
    const other = b.exports[name];
    if (value instanceof WebAssembly.Memory) {
      const [was, is] = [value, other as WebAssembly.Memory].map(({ buffer }) => new Uint8Array(buffer));
      return was && is && unmarkedChanges(was, is, []).length > 0 ? [`memory ${name} differs`] : [];
    }
    if (!(value instanceof WebAssembly.Global)) return [];
    const [was, is] = [value, other as WebAssembly.Global].map((global) =>
      outcomeOf(() => describe(global.value)),
    );
    return was === is ? [] : [`global ${name}: ${String(was)}, rewritten ${String(is)}`];
  });
}

/** Of the functions that a module without imports exports. */
function signaturesOf(module: Uint8Array): Signature[] {
  const sections = new Map(readSections(module).map(({ id, body }) => [id, body]));
  const list = <T>(id: number, read: (reader: BinaryReader) => T): T[] => {
    const reader = new BinaryReader(sections.get(id) ?? Uint8Array.of(0));
    return Array.from({ length: reader.count() }, () => read(reader));
  };
  const types = list(SECTION.type, (reader) => {
    reader.byte();
    const names = (): string[] =>
      Array.from({ length: reader.count() }, () => TYPE_NAMES[reader.byte()] ?? 'unknown');
    return { parameters: names(), results: names() };
  });
  const functions = list(SECTION.function, (reader) => reader.u32());
  return list(SECTION.export, (reader) => {
    const name = reader.name();
    return { name, kind: reader.byte(), index: reader.u32() };
  }).flatMap(({ name, kind, index }) => {
    const type = types[functions[index] ?? -1];
    return kind === KIND.function && type ? [{ name, ...type }] : [];
  });
}
