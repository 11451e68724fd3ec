import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { compileRust, keptRust, RUST_GUESTS, rustParts } from '../../scripts/rust-component.ts';
import { inspectInChild } from '../../platform/component/precompile.ts';

const COMPILES_WITHIN_MS = 15 * 60_000;

describe.each(RUST_GUESTS)('the component that is kept in %s', (name) => {
  const folder = join(import.meta.dirname, '..', '..', name);

  it(
    'is what its sources are compiled to, byte for byte by the same compiler',
    async () => {
      const { component, origin } = await keptRust(folder);
      const parts = await rustParts(folder);
      const compiled = await compileRust(parts);
      const importsOf = async (bytes: Uint8Array) =>
        (await inspectInChild(bytes, { timeoutMs: 60_000 })).capabilities;
      expect(await importsOf(compiled)).toEqual(await importsOf(component));
      // Another compiler makes other bytes of the same sources.
      if (parts.toolchain.version === origin.rustc) {
        expect(createHash('sha256').update(compiled).digest('hex')).toBe(origin.component);
      }
    },
    COMPILES_WITHIN_MS,
  );
});
