import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { transpileComponent } from '../../platform/component/transpile-component.ts';
import { descendantsOf } from '../storm/process-table.ts';
import { precompiledComponent } from '../support/components.ts';
import { eventually } from '../support/eventually.ts';
import { startRunner, type Execution, type TestRunner } from '../support/start-runner.ts';
import { componentOfText } from '../support/tiny-components.ts';

const MIB = 1024 * 1024;
const COMPONENTS = 40;
const TABLES_MB = 128;
/** What four tables may take of that, at 24 bytes for each entry. */
const ENTRIES = Math.floor((TABLES_MB * MIB) / 24 / 4) - 16_384;
const FOUR_TABLES = `(module
  ${`(table ${ENTRIES} funcref)`.repeat(4)}
  (memory (export "memory") 1)
  (data (i32.const 0) "\\c8\\00")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "handler") (param i32) (result i32) (i32.const 0)))`;
/** A process is ended when it holds so much and what its guests may take. */
const MAX_PROCESS_BYTES = 1024 * MIB;
/** The spare is charged to nobody, and what was measured is some time old. */
const UNCHARGED_BYTES = 160 * MIB;

// The runner at its defaults, those of a machine with two cores: one tenant, its sandboxes and whatever memory there is.
describe("a tenant's memory", () => {
  let runner: TestRunner;
  let innocent: PrecompiledArtifact;

  beforeAll(async () => {
    runner = await startRunner('auto', { SANDBOX_TENANT_MAX: '2' });
    innocent = await precompiledComponent('hello', { engine: 'quickjs' });
    await runner.publish(innocent);
  }, 180_000);
  afterAll(() => runner.close());

  const call = (contentHash: string, memoryMb = 64): Promise<Execution> =>
    runner.execute({
      contentHash,
      url: '/echo',
      method: 'POST',
      body: Buffer.from('hi'),
      limits: { memory_mb: memoryMb },
    });
  const sandboxes = () =>
    descendantsOf(process.pid).filter(({ command }) => command.includes('runner/sandbox/child.mjs'));

  /** Another extension of the tenant, all the while: every call of it is served, and no process takes more than it may. */
  async function serveBeside(work: Promise<unknown>, running: number): Promise<void> {
    const state = { isDone: false };
    const done = work.finally(() => (state.isDone = true));
    let largest = 0;
    while (!state.isDone) {
      const { httpStatus, head, body } = await call(innocent.contentHash);
      expect([httpStatus, head.error, body]).toEqual([200, undefined, 'hi']);
      largest = Math.max(largest, ...sandboxes().map(({ residentBytes }) => residentBytes));
    }
    await done;
    expect(largest).toBeLessThan(MAX_PROCESS_BYTES + running);
  }

  /** Nobody's process came to a bad end, and what is held is what is charged. */
  async function expectWithinCharge(): Promise<void> {
    const { ends, charged } = await accounts(runner);
    expect(ends).toEqual({});
    expect(charged).toBeGreaterThan(0);
    await eventually(async () => {
      const held = sandboxes().reduce((sum, { residentBytes }) => sum + residentBytes, 0);
      expect(held).toBeLessThan((await accounts(runner)).charged + UNCHARGED_BYTES);
    });
  }

  it(`holds ${COMPONENTS} different components of StarlingMonkey, and no call is blamed for it`, async () => {
    const hashes = await runner.publishCopies(await precompiledComponent('hello'), COMPONENTS);
    const lane = async (): Promise<void> => {
      for (let hash = hashes.pop(); hash !== undefined; hash = hashes.pop()) {
        const { httpStatus, head, body } = await call(hash);
        // Where the machine is busy, loads that wait for each other may keep a call from its beginning.
        if (httpStatus === 503) hashes.push(hash);
        else expect([httpStatus, head.error, body]).toEqual([200, undefined, 'hi']);
      }
    };
    const lanes = Array.from({ length: 4 }, lane);
    await serveBeside(Promise.all(lanes), 5 * 64 * MIB);
    // Two processes keep 22 of them.
    expect((await runner.metrics())['alga_runner_component_unloads_total']).toBeGreaterThan(0);
    await expectWithinCharge();
  }, 300_000);

  it('holds four huge tables for each of many calls, and no call is blamed for it', async () => {
    const component = await componentOfText(FOUR_TABLES);
    const contentHash = hashOf(component);
    await runner.publish({
      contentHash,
      ...(await transpileComponent(component, { memoryMb: TABLES_MB })),
    });
    const calls = Array.from({ length: 12 }, async () => {
      for (let count = 0; count < 5; count += 1) {
        const { httpStatus, head } = await call(contentHash, TABLES_MB);
        expect([httpStatus, head.error, head.status]).toEqual([200, undefined, 200]);
      }
    });
    await serveBeside(Promise.all(calls), 12 * TABLES_MB * MIB);
    await expectWithinCharge();
  }, 120_000);
});

/** Bad ends of sandboxes by reason, and bytes charged. */
async function accounts(runner: TestRunner): Promise<{ ends: Record<string, number>; charged: number }> {
  const metrics = await runner.metrics();
  const bad = Object.entries(metrics).filter(
    ([name, count]) =>
      name.startsWith('alga_runner_sandbox_ends_total') && count > 0 && !name.includes('"reclaimed"'),
  );
  return {
    ends: Object.fromEntries(bad),
    charged: metrics['alga_runner_memory_charged_bytes'] ?? Number.NaN,
  };
}

function hashOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
