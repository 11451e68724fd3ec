import { beforeAll, describe, expect, it } from '@jest/globals';
import { precompileComponent } from '../../platform/component/precompile.ts';
import { createEngine } from '../../runner/engine/create-engine.ts';
import type { EngineArtifact, GuestOutcome, Host } from '../../runner/engine/engine.ts';
import { componentize, componentParts, GUEST_ENGINES, type GuestEngine } from '../../scripts/componentize.ts';
import { fakeHost } from '../support/fake-host.ts';
import { recording, replaying } from '../support/recorded-host.ts';
import { casesOf } from '../support/ring.ts';
import { componentOfText } from '../support/tiny-components.ts';

/** `npm run soak` draws more. */
const EXECUTIONS = 100 + Number(process.env['SOAK_MINUTES'] ?? 0) * 200;
const MEMORY_MB = 64;

/** Whatever an author may draw, as text: a number that two executions share stands there twice. */
const DRAWS = `
import { getRandomBytes, getRandomU64 } from 'alga:extension/random';
export function handler() {
  const drawn = [
    Math.random(), Math.random(), Math.random(),
    getRandomU64(), getRandomBytes(16),
    crypto.getRandomValues(new Uint8Array(16)), crypto.randomUUID(),
  ];
  return { status: 200, headers: drawn.map((value) => ({ name: 'x', value: String(value) })), body: undefined };
}
`;

async function build(source: string, engine: GuestEngine): Promise<Uint8Array> {
  return componentize(await componentParts(source, engine, ['http', 'fetch-event']));
}

async function artifactOf(component: Uint8Array): Promise<EngineArtifact> {
  const artifact = await precompileComponent(component, { memoryMb: MEMORY_MB, timeoutMs: 60_000 });
  return { contentHash: `sha256:${'0'.repeat(64)}`, ...artifact };
}

/** The same, in a new instance for every call. */
function inNewInstances(artifact: EngineArtifact): EngineArtifact {
  if (!artifact.plan) throw new Error('the component was not linked by a plan');
  return { ...artifact, plan: { ...artifact.plan, notRewindable: 'to compare' } };
}

async function runnerOf(artifact: EngineArtifact): Promise<(host?: Host) => Promise<GuestOutcome>> {
  const engine = createEngine();
  await engine.load(artifact);
  const request = {
    context: { tenantId: 't', extensionId: 'e' },
    http: { method: 'GET', url: '/', headers: [] },
  };
  return (host = fakeHost()) =>
    engine.execute(artifact.contentHash, request, host, { timeoutMs: 30_000, memoryMb: MEMORY_MB });
}

function drawnBy(outcome: GuestOutcome): string[] {
  if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.message}`);
  return outcome.response.headers.map(({ value }) => value);
}

describe.each(casesOf(GUEST_ENGINES, (engine) => engine === 'quickjs'))(
  'executions of a guest of %s',
  (engine) => {
    let artifact: EngineArtifact;

    beforeAll(async () => {
      artifact = await artifactOf(await build(DRAWS, engine));
      expect(artifact.plan).toBeDefined();
      expect(artifact.plan?.notRewindable).toBeUndefined();
    });

    it('share no number in an instance that is rewound, in new ones, or with those of another process', async () => {
      const drawn: string[] = [];
      // An engine that loads the component again is to the guest what another sandbox is.
      for (const as of [artifact, artifact, inNewInstances(artifact)]) {
        const run = await runnerOf(as);
        for (let round = 0; round < EXECUTIONS; round += 1) drawn.push(...drawnBy(await run()));
      }
      expect(drawn).toHaveLength(3 * EXECUTIONS * 7);
      expect(new Set(drawn).size).toBe(drawn.length);
    });

    it('draw numbers from all of the interval', async () => {
      const run = await runnerOf(artifact);
      const numbers: number[] = [];
      for (let round = 0; round < 2 * EXECUTIONS; round += 1) {
        numbers.push(
          ...drawnBy(await run())
            .slice(0, 3)
            .map(Number),
        );
      }
      expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
      // 600 draws over 10 tenths: each holds 60, give or take; 20 is five standard deviations away.
      const tenths = Array.from(
        { length: 10 },
        (_zero, tenth) => numbers.filter((number) => Math.floor(number * 10) === tenth).length,
      );
      expect(Math.min(...tenths)).toBeGreaterThan(20);
    });

    it('replayed with what the host said, draw the same for the same fuel', async () => {
      const run = await runnerOf(artifact);
      const { host, recording: said } = recording(fakeHost());
      const first = await run(host);
      await run();
      const again = await run(replaying(said));
      expect(drawnBy(again)).toEqual(drawnBy(first));
      expect(again.fuel).toBe(first.fuel);
    });

    it('are not to begin with a value of clock or randomness: module code is refused them', async () => {
      const reads = [
        'Math.random()',
        'crypto.getRandomValues(new Uint8Array(1))',
        'crypto.randomUUID()',
        'Date.now()',
        'new Date()',
        'Date()',
        'performance.now()',
      ];
      const source = `
      const refused = [${reads.map((read) => `() => ${read}`).join()}].map((read) => {
        try { return String(read()); } catch (error) { return error.message.replace(/: .*/, ''); }
      });
      export function handler() {
        return { status: 200, headers: refused.map((value) => ({ name: 'x', value })), body: undefined };
      }`;
      const run = await runnerOf(await artifactOf(await build(source, engine)));
      const refusals = drawnBy(await run());
      for (const refusal of refusals) expect(refusal).toMatch(/^[\w.]+ is read by module code/);
      expect(refusals).toHaveLength(reads.length);
    });

    it.each([
      ['Math.random()', 'Math.random is read by module code, which runs while the extension is built'],
      ['getRandomU64()', 'alga:extension/random'],
    ])('are not to begin with one value of %s: the build fails and says so', async (read, message) => {
      await expect(build(`const early = ${read};\n${DRAWS}`, engine)).rejects.toThrow(message);
    });

    it('have a time that begins with them, whenever the component was built', async () => {
      const source = `
      export function handler() {
        const ended = [performance.now(), performance.timeOrigin > 0].join(' ');
        return { status: 200, headers: [{ name: 'x', value: ended }], body: undefined };
      }`;
      const run = await runnerOf(await artifactOf(await build(source, engine)));
      for (const now of [1, 1e9])
        expect(drawnBy(await run(fakeHost({ monotonicNow: () => now })))).toEqual(['0 true']);
    });

    it('may use what module code took of clock and randomness and did not read', async () => {
      const source = `
      const { random } = Math, { now } = Date, Time = Date, fixed = new Date(5), parsed = Date.parse('2026-01-01');
      export function handler() {
        const values = [random() < 1, now() > parsed, new Time() > fixed, new Date() instanceof Time, Date === fixed.constructor];
        return { status: values.every(Boolean) ? 200 : 500, headers: [], body: undefined };
      }`;
      const run = await runnerOf(await artifactOf(await build(source, engine)));
      expect(await run()).toMatchObject({ ok: true, response: { status: 200 } });
    });
  },
);

describe('a component that draws while it is instantiated', () => {
  // Answers with what it drew then.
  const EARLY = `(module
    (import "alga:extension/random" "get-random-u64" (func $draw (result i64)))
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 1024))
    (func $begin (i64.store (i32.const 512) (call $draw)))
    (start $begin)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free)
      (global.set $free (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8))))
    (func (export "handler") (param i32) (result i32)
      (i32.store16 (i32.const 600) (i32.const 200))
      (i32.store8 (i32.const 612) (i32.const 1))
      (i32.store (i32.const 616) (i32.const 512))
      (i32.store (i32.const 620) (i32.const 8))
      (i32.const 600)))`;

  it('is never rewound: each execution begins with a number of its own', async () => {
    const artifact = await artifactOf(await componentOfText(EARLY));
    expect(artifact.plan).toBeDefined();
    expect(artifact.plan?.notRewindable).toBeUndefined();
    const run = await runnerOf(artifact);
    const drawn: string[] = [];
    for (let round = 0; round < EXECUTIONS; round += 1) {
      const outcome = await run();
      if (!outcome.ok) throw new Error(outcome.message);
      drawn.push(Buffer.from(outcome.response.body ?? []).toString('hex'));
    }
    expect(new Set(drawn).size).toBe(EXECUTIONS);
  });
});
