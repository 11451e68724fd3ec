import { componentEmbed, componentNew, parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { readWit } from '../../platform/component/check-world-types.ts';
import { transpileComponent } from '../../platform/component/transpile-component.ts';
import { startSandboxProcess } from '../../runner/sandbox/process.ts';
import { eventually } from '../support/eventually.ts';
import { testedIsolations } from '../support/isolations.ts';
import { casesOf, isLong } from '../support/ring.ts';
import { startRunner, type ExecuteOptions, type TestRunner } from '../support/start-runner.ts';
import { takenOver } from '../support/taken-over.ts';
import { descendantsOf } from '../storm/process-table.ts';

// The escape corpus, on a real runner at each level of isolation. Whatever one of it does, it ends with its own error, and a neighbour is served beside and after it.

const CORPUS = join(import.meta.dirname, '..', 'fixtures', 'escape');
const MIB = 1024 * 1024;
const LIMITS = { timeout_ms: 1_500, memory_mb: 32, response_bytes: MIB };

const TRAPPED = 'GUEST_TRAPPED';
const TIMEOUT = 'GUEST_TIMEOUT';
const TOO_LARGE = 'GUEST_RESPONSE_TOO_LARGE';

/** How each guest of the corpus ends: its error, or the status that it answers. */
const GUESTS: Record<string, string | number> = {
  'body-oversized': TOO_LARGE,
  'clock-watch': 200,
  'grow-and-trap': 'GUEST_OUT_OF_MEMORY',
  'grow-storm': TIMEOUT,
  'handle-after-drop': TRAPPED,
  'handle-dropped-twice': TRAPPED,
  'handle-invented': TRAPPED,
  'handle-of-another-type': TRAPPED,
  'handles-without-end': TRAPPED,
  'header-long': TOO_LARGE,
  'header-of-prototypes': 200,
  'headers-many': TOO_LARGE,
  honest: 200,
  'host-bytes-oversized': TRAPPED,
  'host-call-storm': TIMEOUT,
  'list-out-of-bounds': TRAPPED,
  'list-oversized': TRAPPED,
  loop: TIMEOUT,
  'option-unknown': TRAPPED,
  'pointer-outside': TRAPPED,
  'pointer-unaligned': TRAPPED,
  'realloc-calls-back': TRAPPED,
  'realloc-loops': TIMEOUT,
  'realloc-outside': TRAPPED,
  'realloc-traps': TRAPPED,
  'recursion-deep': TRAPPED,
  'recursion-through-table': TRAPPED,
  'recursion-wide': TIMEOUT,
  'stack-of-locals': TRAPPED,
  'string-not-utf8': TRAPPED,
  'string-oversized': TRAPPED,
  'timers-after-return': 200,
  'wait-past-deadline': TIMEOUT,
};

/** The same for the scripts of a sandbox that was taken over; `reach-out` answers what it could do. */
const PROCESSES: Record<string, string | number> = {
  'abort-itself': TRAPPED,
  'answer-late': TIMEOUT,
  'end-itself': TRAPPED,
  'flood-endless-frame': TIMEOUT,
  'flood-frames': 200,
  'flood-stdout': 200,
  'flood-values': 200,
  'forge-executions': 200,
  'hoard-memory': 'GUEST_OUT_OF_MEMORY',
  'pending-calls': TRAPPED,
  'speak-after-answer': 200,
};
/** Floods last for 3 s. */
const SCRIPT_LIMITS = { ...LIMITS, timeout_ms: 5_000 };
/** To take more memory than a sandbox may have takes a busy machine longer. */
const HOARD_LIMITS = { ...LIMITS, timeout_ms: 30_000 };

/** What the gate tries: one of each way that a guest, or a sandbox that was taken over, may go. */
const TELLING = new Set([
  ...[
    'body-oversized',
    'grow-and-trap',
    'handle-invented',
    'headers-many',
    'honest',
    'host-call-storm',
    'loop',
  ],
  ...['pointer-outside', 'realloc-calls-back', 'recursion-deep', 'string-not-utf8', 'wait-past-deadline'],
  ...['abort-itself', 'answer-late', 'forge-executions', 'pending-calls'],
]);
const tried = (all: typeof GUESTS) => casesOf(Object.entries(all), ([name]) => TELLING.has(name));

const WASI = `
package wasi:random@0.2.0 { interface random { get-random-bytes: func(len: u64) -> list<u8>; } }
package wasi:io@0.2.0 { interface poll { resource pollable { block: func(); } } }
package wasi:clocks@0.2.0 {
  interface monotonic-clock {
    use wasi:io/poll@0.2.0.{pollable};
    now: func() -> u64;
    subscribe-duration: func(when: u64) -> pollable;
  }
}
package wasi:http@0.2.0 { interface types { resource fields { constructor(); } } }
`;
const WORLD = `
    import wasi:random/random@0.2.0;
    import wasi:io/poll@0.2.0;
    import wasi:clocks/monotonic-clock@0.2.0;
    import wasi:http/types@0.2.0;
    export handler`;

async function guest(name: string): Promise<PrecompiledArtifact> {
  const wat = await readFile(join(CORPUS, 'guests', `${name}.wat`), 'utf8');
  const witSource = (await readWit()).replace(/ +export handler/, WORLD) + WASI;
  const core = await componentEmbed({ binary: await parse(wat), witSource, world: 'runner' });
  const component = await componentNew(core, []);
  const contentHash = `sha256:${createHash('sha256').update(component).digest('hex')}`;
  return { contentHash, ...(await transpileComponent(component, { memoryMb: LIMITS.memory_mb })) };
}

async function script(name: string): Promise<PrecompiledArtifact> {
  return takenOver(await readFile(join(CORPUS, 'processes', `${name}.js`), 'utf8'));
}

describe('the escape corpus', () => {
  it.each([
    ['guests', '.wat', Object.keys(GUESTS)],
    ['processes', '.js', [...Object.keys(PROCESSES), 'hoard-after-answer', 'reach-out'].sort()],
  ])('is tried whole: %s', async (folder, extension, tried) => {
    expect(await readdir(join(CORPUS, folder))).toEqual(tried.map((name) => name + extension));
  });
});

describe.each(await testedIsolations())('a runner whose sandboxes stand behind %s', (isolation) => {
  let runner: TestRunner;
  const neighbour = { tenantId: randomUUID(), contentHash: '' };
  const neighbourIsServed = async (): Promise<void> => {
    const { httpStatus, head } = await runner.execute(neighbour);
    expect([httpStatus, head.status, head.error]).toEqual([200, 200, undefined]);
  };
  const attack = async (artifact: PrecompiledArtifact, options: Partial<ExecuteOptions>) => {
    await runner.publish(artifact);
    const execution = runner.execute({
      tenantId: randomUUID(),
      contentHash: artifact.contentHash,
      limits: LIMITS,
      ...options,
    });
    const over = execution.then(() => true);
    do await neighbourIsServed();
    while (!(await Promise.race([over, setTimeout(20, false)])));
    return execution;
  };

  beforeAll(async () => {
    runner = await startRunner(isolation);
    const honest = await guest('honest');
    neighbour.contentHash = honest.contentHash;
    await runner.publish(honest);
    await neighbourIsServed();
  });
  afterAll(() => runner.close());
  afterEach(async () => {
    await neighbourIsServed();
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it.each(tried(GUESTS))('contains a guest: %s, which ends with %s', async (name, end) => {
    const { httpStatus, head } = await attack(await guest(name), {});
    expect([httpStatus, head.error?.code ?? head.status]).toEqual([200, end]);
  });

  it.each(tried(PROCESSES))(
    'contains a sandbox that was taken over: %s, which ends with %s',
    async (name, end) => {
      const limits = name === 'hoard-memory' ? HOARD_LIMITS : SCRIPT_LIMITS;
      const { httpStatus, head } = await attack(await script(name), { limits });
      expect([httpStatus, head.error?.code ?? head.status]).toEqual([200, end]);
    },
    60_000,
  );

  if (isLong) {
    it('ends a sandbox that takes memory when it has no work', async () => {
      const { head } = await attack(await script('hoard-after-answer'), { limits: SCRIPT_LIMITS });
      expect(head.error?.code ?? head.status).toBe(200);
      const largest = (): number =>
        Math.max(...descendantsOf(process.pid).map(({ residentBytes }) => residentBytes));
      await eventually(() => expect(largest()).toBeGreaterThan(600 * MIB));
      await eventually(() => expect(largest()).toBeLessThan(600 * MIB));
    });
  }

  it('lets a sandbox that was taken over reach nothing', async () => {
    const other = startSandboxProcess(isolation); // the runner's own come and go
    await once(other.channel, 'data');
    const pids = { supervisor: process.pid, neighbour: other.pid, signal: 0 };
    const body = Buffer.from(JSON.stringify({ port: runner.port, pids }));
    const answer = await attack(await script('reach-out'), {
      method: 'POST',
      body,
      limits: SCRIPT_LIMITS,
    }).finally(() => {
      other.kill();
    });
    const said = JSON.parse(answer.body) as { environment: object; outcomes: Record<string, string> };
    // bubblewrap says where it has gone to.
    expect(said.environment).toEqual(isolation === 'bubblewrap' ? { PWD: '/' } : {});
    const worked = Object.keys(said.outcomes).filter((name) => said.outcomes[name] === 'worked');
    // What the permission model lets through, as docs/security.md says.
    const reached = ['kill the supervisor', 'kill another sandbox', 'stop everybody'];
    expect(worked).toEqual(isolation === 'bubblewrap' ? [] : reached);
    expect(Object.keys(said.outcomes)).toHaveLength(41);
  });
});
