import { createLogger } from '../../platform/logger.ts';
import { chooseIsolation } from '../../runner/sandbox/isolation.ts';
import type { SandboxJob } from '../../runner/sandbox/job.ts';
import { createSandbox } from '../../runner/sandbox/sandbox.ts';
import { judge, median } from '../engine/figures.ts';
import { requestOf } from '../engine/guests.ts';

const ROUNDS = 7;
const CALLS = 4_000;

/** No guest at all: what a component's glue would be, answering at once. */
const GLUE = `export const instantiate = () => ({
  handler: (request) => ({ status: 200, headers: request.http.headers, body: request.http.body }),
});`;

/** What a call takes between supervisor and sandbox, this process being the supervisor. */
export async function measureChannel(): Promise<object[]> {
  const { isolation } = await chooseIsolation('auto');
  const sandbox = createSandbox(createLogger({ level: 'silent', process: 'bench' }), isolation);
  if (!(await sandbox.ready)) throw new Error('the sandbox did not start');
  const contentHash = 'none';
  await sandbox.load({ contentHash, glue: Buffer.from(GLUE), coreModules: {}, imports: [] });
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
  const perCall = async (inFlight: number): Promise<number> => {
    let left = CALLS;
    const caller = async (): Promise<void> => {
      while (left-- > 0) {
        const outcome = await sandbox.run(job);
        if (!outcome.ok) throw new Error(outcome.message);
      }
    };
    const began = performance.now();
    await Promise.all(Array.from({ length: inFlight }, caller));
    return ((performance.now() - began) / CALLS) * 1_000;
  };
  const micros = { alone: [] as number[], together: [] as number[] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    const [alone, together] = [await perCall(1), await perCall(32)];
    if (round === 0) continue; // The first round warms the compiled code up.
    micros.alone.push(alone);
    micros.together.push(together);
  }
  sandbox.kill('closing');
  await sandbox.exited;
  const row = (what: string, figures: number[], bar: { atMost: number; stretch: number }): object => {
    const figure = Math.round(median(figures));
    return { what, 'µs per call': figure, ...judge(figure, bar) };
  };
  return [
    row('one at a time', micros.alone, { atMost: 80, stretch: 60 }),
    row('32 in flight', micros.together, { atMost: 20, stretch: 10 }),
  ];
}
