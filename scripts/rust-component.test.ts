import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { keptRust, RUST_GUESTS } from './rust-component.ts';

describe('the component that is kept beside a crate', () => {
  it.each(RUST_GUESTS)('is of the sources that are there: %s', async (folder) => {
    const { component } = await keptRust(join(import.meta.dirname, '..', folder));
    expect(Buffer.from(component).subarray(0, 4).toString('latin1')).toBe('\0asm');
  });
});
