import type { Host, HostReply } from '../../runner/engine/engine.ts';

type Said = { reply: HostReply } | { number: number } | { bytes: Uint8Array } | { slept: true };

/** Everything a host told a guest, in order. */
export interface Recording {
  said: Said[];
}

/** Passes on to `host` and keeps what it says. */
export function recording(host: Host): { host: Host; recording: Recording } {
  const said: Said[] = [];
  const number = (value: number): number => {
    said.push({ number: value });
    return value;
  };
  return {
    recording: { said },
    host: {
      output: (stream, bytes) => host.output(stream, bytes),
      monotonicNow: () => number(host.monotonicNow()),
      wallNow: () => number(host.wallNow()),
      async sleep(milliseconds) {
        await host.sleep(milliseconds);
        said.push({ slept: true });
      },
      fillRandom(bytes) {
        host.fillRandom(bytes);
        said.push({ bytes: bytes.slice() });
      },
      async call(interfaceName, functionName, args) {
        const reply = await host.call(interfaceName, functionName, args);
        said.push({ reply });
        return reply;
      },
    },
  };
}

/** Says the same again. A guest that asks anything else than it did is a fault of the test. */
export function replaying({ said }: Recording): Host {
  const left = [...said];
  const next = <Kind extends string>(kind: Kind): Extract<Said, Record<Kind, unknown>> => {
    const first = left.shift();
    if (!first || !(kind in first)) throw new Error(`the guest asks for ${kind}, which it did not do before`);
    return first as Extract<Said, Record<Kind, unknown>>;
  };
  return {
    output: () => undefined,
    monotonicNow: () => next('number').number,
    wallNow: () => next('number').number,
    sleep: () => {
      next('slept');
      return Promise.resolve();
    },
    fillRandom: (bytes) => bytes.set(next('bytes').bytes),
    call: () => next('reply').reply,
  };
}
