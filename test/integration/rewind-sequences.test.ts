import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { EXPORT } from '../../core/wasm/reserved.ts';
import { precompileComponent } from '../../platform/component/precompile.ts';
import type { Component, Instance } from '../../runner/engine/component.ts';
import { CoreInstances } from '../../runner/engine/core-instances.ts';
import type { GuestRequest, GuestResponse } from '../../runner/engine/engine.ts';
import { compileLinked } from '../../runner/engine/linked-component.ts';
import { componentize, componentParts, GUEST_ENGINES, type GuestEngine } from '../../scripts/componentize.ts';
import { fakeHost } from '../support/fake-host.ts';
import { casesOf } from '../support/ring.ts';

/** `npm run soak` sets how long to go on, and may set another seed to begin with. */
const SOAK_MINUTES = Number(process.env['SOAK_MINUTES'] ?? 0);
const FIRST_SEED = Number(process.env['SOAK_SEED'] ?? 0);
const CALLS = 60;
const MEMORY_BYTES = 64 * 1024 * 1024;

/** Writes to every kind of state that a guest of JavaScript has. */
const GUEST = `
import { get, put } from 'alga:extension/storage';
const kept = [];
let count = 0;
export function handler({ http }) {
  const [, what, size] = http.url.split('/');
  count += 1;
  globalThis['left ' + count] = kept;
  Object.prototype['p' + size] = count;
  if (what === 'grow') kept.push(new Uint8Array(Number(size)).fill(count));
  if (what === 'objects') for (let n = 0; n < Number(size) / 64; n += 1) kept.push({ n, text: 'number ' + n });
  if (what === 'wait') for (let n = 0; n < 3; n += 1) kept.push(get('counters', String(n)));
  if (what === 'random') kept.push(Math.random(), crypto.randomUUID(), Date.now());
  if (what === 'fail') { try { put({ namespace: 'n', key: 'k', value: new Uint8Array(9), revision: undefined }); } catch (err) { kept.push(err); } }
  if (what === 'throw') throw new Error('on purpose');
  const body = what === 'answer' ? new Uint8Array(Number(size)).fill(7) : http.body;
  return { status: 200, headers: [{ name: 'count', value: String(count) }], body };
}
`;
const ROUTES = ['grow', 'objects', 'wait', 'random', 'fail', 'throw', 'answer', 'body', 'leave'];

/** Numbers below a bound, the same for the same seed. */
function numbersOf(seed: number): (below: number) => number {
  let drawn = 0;
  return (below) => {
    drawn += 1;
    return createHash('sha256').update(`${seed} ${drawn}`).digest().readUInt32LE(0) % below;
  };
}

async function compile(engine: GuestEngine): Promise<Component> {
  const component = await componentize(await componentParts(GUEST, engine, ['http', 'fetch-event']));
  const artifact = await precompileComponent(component, { memoryMb: 64, timeoutMs: 60_000 });
  if (!artifact.plan || artifact.plan.notRewindable !== undefined) throw new Error('it cannot be rewound');
  return compileLinked(artifact, artifact.plan);
}

interface Watched {
  instance: Instance;
  memories: WebAssembly.Memory[];
}

/** An instance with its memories, which it shows nobody else. */
function instantiate(component: Component): Watched {
  const memories: WebAssembly.Memory[] = [];
  const real: CoreInstances['instantiate'] = Reflect.get(CoreInstances.prototype, 'instantiate');
  const watched = jest.spyOn(CoreInstances.prototype, 'instantiate').mockImplementation(function (
    this: CoreInstances,
    ...given
  ) {
    const made = real.apply(this, given);
    const memory = made.exports[EXPORT.memory];
    if (memory instanceof WebAssembly.Memory) memories.push(memory);
    return made;
  });
  const instance = component.instantiate();
  watched.mockRestore();
  return { instance, memories };
}

async function run(instance: Instance, url: string, body: Buffer): Promise<GuestResponse> {
  const record = { namespace: 'counters', key: 'one', value: Buffer.from('1'), revision: 1n };
  const late = async (): Promise<{ ok: typeof record }> => {
    await setTimeout(1);
    return { ok: record };
  };
  const host = fakeHost({ call: (_interface, name) => (name === 'get' ? late() : { err: 'denied' }) });
  const deadline = performance.now() + 60_000;
  const http: GuestRequest['http'] = { method: 'POST', url, headers: [], body };
  return instance.run(
    { context: { tenantId: 't', extensionId: 'e' }, http },
    { host, deadline, wroteToStderr: false },
    { fuel: 1e12, deadline, memoryBytes: MEMORY_BYTES },
  );
}

describe.each(casesOf(GUEST_ENGINES, (engine) => engine === 'quickjs'))(
  'a rewound instance of %s',
  (engine) => {
    let component: Component;
    let beginnings: Buffer[];

    beforeAll(async () => {
      component = await compile(engine);
      beginnings = instantiate(component).memories.map(({ buffer }) => Buffer.from(buffer.slice(0)));
    }, 240_000);

    it(
      'is a new one, byte for byte, whatever calls it served: growth, traps, suspended calls, large bodies',
      async () => {
        const until = performance.now() + (SOAK_MINUTES * 60_000) / GUEST_ENGINES.length;
        const expectNew = ({ memories }: Watched, doing: object): void => {
          const same = memories.map(({ buffer }, at) => beginnings[at]?.equals(new Uint8Array(buffer)));
          expect({ ...doing, same }).toEqual({ ...doing, same: beginnings.map(() => true) });
        };
        const number = numbersOf(FIRST_SEED);
        let watched = instantiate(component);
        const totals = { calls: 0, rewound: 0, thrownAway: 0 };
        let probe: number | undefined;
        for (let call = 0; call < CALLS || performance.now() < until; call += 1) {
          const what = ROUTES[number(ROUTES.length)] ?? '';
          const size = number(10) === 0 ? number(4_000_000) : number(100_000);
          const doing = { seed: FIRST_SEED, call, what, size };
          totals.calls += 1;
          const answered = run(
            watched.instance,
            `/${what === 'leave' ? 'wait' : what}/${size}`,
            Buffer.alloc(what === 'body' ? size : 9, 3),
          );
          if (what === 'leave') {
            answered.catch(() => undefined);
            watched.instance.abandon();
          }
          const ended = what === 'leave' ? undefined : await answered.catch(() => undefined);
          expect({ ...doing, answered: ended !== undefined }).toEqual({
            ...doing,
            answered: !['leave', 'throw'].includes(what),
          });
          expect(ended?.headers[0]?.value ?? '1').toBe('1');
          if (ended && watched.instance.rewind()) {
            totals.rewound += 1;
            expectNew(watched, doing);
          } else {
            totals.thrownAway += 1;
            watched.instance.abandon();
            watched = instantiate(component);
            expectNew(watched, doing);
          }
          if (call % 10 !== 0) continue;
          // What memories do not show, as globals, shows in what a call does.
          await run(watched.instance, '/probe/1', Buffer.from('probe'));
          probe ??= watched.instance.fuel;
          expect({ ...doing, fuel: watched.instance.fuel }).toEqual({ ...doing, fuel: probe });
          expect(watched.instance.rewind()).toBe(true);
        }
        console.log(`${engine}: ${JSON.stringify(totals)}`);
        expect(totals.rewound).toBeGreaterThan(totals.calls / 3);
      },
      SOAK_MINUTES * 60_000 + 300_000,
    );
  },
);
