import { describe, expect, it } from '@jest/globals';
import { componentOfHostWorld, componentOfWorld } from '../../test/support/tiny-components.ts';
import { inspectInChild, precompileComponent } from './precompile.ts';
import { transpileComponent } from './transpile-component.ts';

const timeoutMs = 30_000;

/** A type of 2^14 members in 2 KB: jco spells every one of them out. */
async function componentThatExplodes(): Promise<Uint8Array> {
  const doublings = Array.from({ length: 14 }, (_none, n) => `type t${n + 1} = tuple<t${n}, t${n}>;`);
  const functions = Array.from({ length: 4 }, (_none, n) => `fn${n}: func(a: list<t14>) -> list<t14>;`);
  return componentOfWorld(
    `package alga:extension; interface storage { type t0 = u8; ${doublings.join(' ')} ${functions.join(' ')} } world w { import storage; }`,
    'w',
  );
}

describe('a component in a child process', () => {
  it('is inspected', async () => {
    const { exports } = await inspectInChild(await componentOfHostWorld(), { timeoutMs });
    expect(exports).toEqual(['handler']);
  });

  it('gives the same artifact as in this process', async () => {
    const component = await componentOfHostWorld();
    const here = await transpileComponent(component, { memoryMb: 1 });
    const there = await precompileComponent(component, { memoryMb: 1, timeoutMs });
    expect(there.imports).toEqual(here.imports);
    expect(Buffer.compare(there.glue, here.glue)).toBe(0);
    expect(Object.keys(there.coreModules)).toEqual(Object.keys(here.coreModules));
    for (const [name, bytes] of Object.entries(here.coreModules)) {
      expect(Buffer.compare(there.coreModules[name] ?? new Uint8Array(), bytes)).toBe(0);
    }
  });

  it('is refused with the code and the issues that the child found', async () => {
    const component = await componentOfWorld('package a:b; world w { import open: func(); }', 'w');
    await expect(inspectInChild(component, { timeoutMs })).rejects.toMatchObject({
      code: 'WORLD_MISMATCH',
      issues: [{ path: 'entry.wasm', code: 'import', message: expect.stringContaining('imports open') }],
    });
    await expect(precompileComponent(Buffer.from('x'), { memoryMb: 1, timeoutMs })).rejects.toMatchObject({
      code: 'COMPONENT_INVALID',
    });
  });

  it('is refused when it takes too long, and its process is gone', async () => {
    const component = await componentOfHostWorld();
    await expect(inspectInChild(component, { timeoutMs: 1 })).rejects.toMatchObject({
      code: 'COMPONENT_INVALID',
      message: expect.stringContaining('took longer'),
    });
  });

  it('is refused when it makes the tools run out of memory, and this process lives', async () => {
    const component = await componentThatExplodes();
    await expect(
      precompileComponent(component, { memoryMb: 1, timeoutMs, toolMemoryMb: 4 }),
    ).rejects.toMatchObject({ code: 'COMPONENT_INVALID' });
    // With the usual memory the tools come to its real fault.
    await expect(precompileComponent(component, { memoryMb: 1, timeoutMs })).rejects.toMatchObject({
      code: 'WORLD_MISMATCH',
    });
  });

  it('is given up when the caller gives up, with the caller’s reason', async () => {
    const reason = new Error('the worker is stopping');
    const controller = new AbortController();
    const inspection = inspectInChild(await componentOfHostWorld(), { timeoutMs, signal: controller.signal });
    controller.abort(reason);
    await expect(inspection).rejects.toBe(reason);
  });
});
