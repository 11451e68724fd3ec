import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { precompiledComponent } from './components.ts';

export const TOOLCHAINS = ['StarlingMonkey', 'QuickJS', 'Rust'] as const;
export type Toolchain = (typeof TOOLCHAINS)[number];

/** An extension of ours that is there in JavaScript and in Rust. */
export async function precompiledGuest(
  name: 'hello' | 'hostile',
  toolchain: Toolchain,
  options: { memoryMb?: number } = {},
): Promise<PrecompiledArtifact> {
  if (toolchain === 'Rust') return precompiledComponent(`rust-${name}`, options);
  const engine = toolchain === 'QuickJS' ? 'quickjs' : 'starlingmonkey';
  return precompiledComponent(name, { engine, ...options });
}

/** Time for a first build on a machine that is busy. */
export const BUILD_WITHIN_MS = 15 * 60_000;
