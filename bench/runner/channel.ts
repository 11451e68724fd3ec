import { packArtifact } from '../../platform/component/artifact.ts';
import { createLogger } from '../../platform/logger.ts';
import { chooseIsolation } from '../../runner/sandbox/isolation.ts';
import { encodeFrame, FRAME } from '../../runner/sandbox/frame.ts';
import type { SandboxJob } from '../../runner/sandbox/job.ts';
import { executeHead } from '../../runner/sandbox/running-job.ts';
import { createSandbox } from '../../runner/sandbox/sandbox.ts';
import type { WireValue } from '../../runner/sandbox/wire-value.ts';
import { judge, median } from '../engine/figures.ts';
import { requestOf } from '../engine/guests.ts';
import { startBareEcho } from './bare-echo.ts';

const ROUNDS = 7;
const CALLS = 4_000;

/** No guest at all: what a component's glue would be, answering at once. */
const GLUE = `export const instantiate = () => ({
  handler: async (request) => ({ status: 200, headers: request.http.headers, body: request.http.body }),
});`;

/** What a call takes between supervisor and sandbox, this process being the supervisor; beside it, what the machine takes for the same bytes. */
export async function measureChannel(): Promise<object[]> {
  const { isolation } = await chooseIsolation('auto');
  const sandbox = createSandbox(createLogger({ level: 'silent', process: 'bench' }), isolation);
  if (!(await sandbox.ready)) throw new Error('the sandbox did not start');
  const contentHash = 'none';
  const artifact = { contentHash, target: 'none', glue: Buffer.from(GLUE), coreModules: {}, imports: [] };
  const { bytes: archive } = await packArtifact(artifact);
  await sandbox.load({ contentHash, archive, isLinked: false });
  const job: SandboxJob = {
    contentHash,
    request: requestOf('/'),
    responseBytes: 1_000_000,
    limits: { timeoutMs: 60_000, memoryMb: 64 },
    constants: {},
    takesTurns: true,
    onCall: () => Promise.reject(new Error('there is no guest')),
    onOutput: () => undefined,
  };
  const run = async (): Promise<void> => {
    const outcome = await sandbox.run(job);
    if (!outcome.ok) throw new Error(outcome.message);
  };
  const head = executeHead(job) as unknown as WireValue;
  const echo = startBareEcho(isolation, Buffer.concat(encodeFrame({ type: FRAME.execute, id: 1, head })));
  const micros = { 'one at a time': [] as number[], '32 in flight': [] as number[] };
  const bare = { 'one at a time': [] as number[], '32 in flight': [] as number[] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    const figures = [
      await perCall(run, 1),
      await perCall(run, 32),
      await perCall(echo.call, 1),
      await perCall(echo.call, 32),
    ] as const;
    if (round === 0) continue; // The first round warms the compiled code up.
    micros['one at a time'].push(figures[0]);
    micros['32 in flight'].push(figures[1]);
    bare['one at a time'].push(figures[2]);
    bare['32 in flight'].push(figures[3]);
  }
  echo.stop();
  sandbox.kill('closing');
  await sandbox.exited;
  const row = (what: keyof typeof micros, bar: { atMost: number; stretch: number }): object => {
    const figure = Math.round(median(micros[what]));
    return {
      what,
      'µs per call': figure,
      'bare echo': Math.round(median(bare[what])),
      ...judge(figure, bar),
    };
  };
  return [
    row('one at a time', { atMost: 80, stretch: 60 }),
    row('32 in flight', { atMost: 20, stretch: 10 }),
  ];
}

/** Microseconds. */
async function perCall(call: () => Promise<void>, inFlight: number): Promise<number> {
  let left = CALLS;
  const caller = async (): Promise<void> => {
    while (left-- > 0) await call();
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: inFlight }, caller));
  return ((performance.now() - began) / CALLS) * 1_000;
}
