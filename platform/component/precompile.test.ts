import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { componentOfHostWorld, componentOfWorld } from '../../test/support/tiny-components.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { ChildCrash } from './component-child.ts';
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

/** Pids of this process's children that work on components. */
function children(): number[] {
  try {
    const found = execFileSync('pgrep', ['-P', String(process.pid), '-f', 'precompile-child']);
    return found.toString().split('\n').filter(Boolean).map(Number);
  } catch {
    return []; // pgrep finds none
  }
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
    expect(there.plan).toEqual(here.plan);
    expect(Object.keys(there.coreModules)).toEqual(Object.keys(here.coreModules));
    for (const [name, bytes] of Object.entries(here.coreModules)) {
      expect(Buffer.compare(there.coreModules[name] ?? new Uint8Array(), bytes)).toBe(0);
    }
  });

  it('is refused with the code and the issues that the child found', async () => {
    const component = await componentOfWorld('package a:b; world w { import open: func(); }', 'w');
    await expect(inspectInChild(component, { timeoutMs })).rejects.toMatchObject({
      code: 'WORLD_MISMATCH',
      issues: [
        { path: 'entry.wasm', code: 'import', message: expect.stringContaining('imports open') },
        { path: 'entry.wasm', code: 'export' },
      ],
    });
    await expect(precompileComponent(Buffer.from('x'), { memoryMb: 1, timeoutMs })).rejects.toMatchObject({
      code: 'COMPONENT_INVALID',
    });
  });

  it('is refused when it takes too long twice, and its processes are gone', async () => {
    const crashes: ChildCrash[] = [];
    const component = await componentOfHostWorld();
    const onCrash = (crash: ChildCrash) => void crashes.push(crash);
    await expect(inspectInChild(component, { timeoutMs: 1, onCrash })).rejects.toMatchObject({
      code: 'COMPONENT_INVALID',
      message: expect.stringContaining('takes longer'),
    });
    expect(crashes.map(({ ending }) => ending)).toEqual(['SIGKILL', 'SIGKILL']);
    expect(children()).toEqual([]);
  });

  it('is refused when it fills the heap twice', async () => {
    const crashes: ChildCrash[] = [];
    await expect(
      precompileComponent(await componentThatExplodes(), {
        memoryMb: 1,
        timeoutMs,
        heapMb: 6,
        onCrash: (crash) => void crashes.push(crash),
      }),
    ).rejects.toMatchObject({ code: 'COMPONENT_INVALID', message: expect.stringContaining('more memory') });
    expect(crashes).toHaveLength(2);
    expect(crashes[0]?.stderr).toContain('heap out of memory');
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

  it('is refused when the tools break off on it twice', async () => {
    const crashes: ChildCrash[] = [];
    const breaksOff = "--eval=require('node:fs').writeSync(3, Uint8Array.of(1)); process.abort()";
    await expect(
      inspectInChild(await componentOfHostWorld(), {
        timeoutMs,
        program: [process.execPath, breaksOff],
        onCrash: (crash) => void crashes.push(crash),
      }),
    ).rejects.toMatchObject({ code: 'COMPONENT_INVALID', message: expect.stringContaining('SIGABRT') });
    expect(crashes.map(({ ending }) => ending)).toEqual(['SIGABRT', 'SIGABRT']);
  });

  it('is given up when the caller gives up, with the caller’s reason', async () => {
    const reason = new Error('the worker is stopping');
    const controller = new AbortController();
    const inspection = inspectInChild(await componentOfHostWorld(), { timeoutMs, signal: controller.signal });
    controller.abort(reason);
    await expect(inspection).rejects.toBe(reason);
  });
});

describe('a component that is not to blame', () => {
  const crashed = { code: 'COMPONENT_TOOL_CRASHED', retryable: true };

  async function outcome(options: Partial<Parameters<typeof inspectInChild>[1]>) {
    const crashes: ChildCrash[] = [];
    const onCrash = (crash: ChildCrash) => void crashes.push(crash);
    const component = await componentOfHostWorld();
    const inspection = inspectInChild(component, { timeoutMs, onCrash, ...options });
    return { inspection, crashes };
  }

  it('is not blamed when somebody kills its process', async () => {
    const { inspection, crashes } = await outcome({});
    const refused = expect(inspection).rejects.toMatchObject(crashed);
    await eventually(() => expect(children()).toHaveLength(1));
    for (const pid of children()) process.kill(pid, 'SIGKILL');
    await refused;
    expect(crashes).toEqual([{ ending: 'SIGKILL', stderr: expect.any(String) }]);
  });

  it('is not blamed when the tool crashes, whose last words are kept for the log and not for the error', async () => {
    const { inspection, crashes } = await outcome({ program: [process.execPath, 'no-such-script.ts'] });
    const error = await inspection.catch((err: unknown) => err as Error);
    expect(error).toMatchObject(crashed);
    expect(crashes).toEqual([{ ending: 'exit code 1', stderr: expect.stringContaining('no-such-script') }]);
    expect(JSON.stringify([error, (error as Error).message])).not.toContain('no-such-script');
  });

  it('is not blamed when its process cannot be started', async () => {
    const { inspection, crashes } = await outcome({ program: ['/no/such/node', 'x'] });
    await expect(inspection).rejects.toMatchObject(crashed);
    expect(crashes).toEqual([{ ending: expect.stringContaining('ENOENT'), stderr: '' }]);
  });
});
