import {
  camelCase,
  extensionInterface,
  RANDOM_INTERFACE,
  withoutVersion,
  worldFunctions,
} from '../../core/world.ts';
import type { Host, HostReply, WitValue } from './engine.ts';
import { createWasi } from './wasi.ts';
import { witError } from './wasi-streams.ts';

/** One execution, as the imports of its instance know it. */
export interface Call {
  host: Host;
  /** On the clock of `performance.now()`. */
  deadline: number;
  wroteToStderr: boolean;
  /** The guest waits for the host from now on. */
  onWait?: () => void;
  /** Set when the host itself failed, so that its failure is not taken for the guest's. */
  hostFault?: { cause: unknown };
}

/** The interfaces that a component asks for, by the names it asks with; `currentCall` throws while there is no call. */
export function hostImports(
  names: readonly string[],
  currentCall: () => Call,
): Record<string, Record<string, unknown>> {
  const wasi = createWasi(() => {
    const call = currentCall();
    return {
      ...clockOf(call),
      output(stream, bytes) {
        if (stream === 'stderr') call.wroteToStderr = true;
        call.host.output(stream, bytes);
      },
    };
  });
  const imports: Record<string, Record<string, unknown>> = {};
  const provide = (name: string): Record<string, unknown> | undefined => {
    const interfaceName = extensionInterface(name);
    if (interfaceName === undefined) return wasi[withoutVersion(name)];
    return interfaceName === RANDOM_INTERFACE
      ? wasi['wasi:random/random']
      : forward(interfaceName, currentCall);
  };
  for (const name of names) {
    const provided = provide(name);
    if (provided) imports[name] = provided;
  }
  return imports;
}

function clockOf({ host, deadline }: Call): Omit<Host, 'call' | 'output'> {
  return {
    monotonicNow: () => host.monotonicNow(),
    wallNow: () => host.wallNow(),
    // No timer outlives its call: it would hold a guest that nobody waits for.
    sleep: (milliseconds) => host.sleep(Math.max(0, Math.min(milliseconds, deadline - performance.now()))),
    fillRandom: (bytes) => host.fillRandom(bytes),
  };
}

/** The functions of one interface of the world, each a call to the host. */
function forward(interfaceName: string, currentCall: () => Call): Record<string, unknown> {
  const functions: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(worldFunctions(interfaceName) ?? {})) {
    functions[camelCase(name)] = (...args: WitValue[]): WitValue | Promise<WitValue> => {
      const call = currentCall();
      const fault = (cause: unknown): never => {
        call.hostFault = { cause };
        throw cause;
      };
      const settle = (reply: HostReply): WitValue => {
        if ('ok' in reply) return reply.ok;
        if (kind === 'result') throw witError(reply.err);
        return fault(new TypeError(`${interfaceName}.${name} has no error case`));
      };
      let reply: HostReply | Promise<HostReply>;
      try {
        reply = call.host.call(interfaceName, name, args);
      } catch (cause) {
        return fault(cause);
      }
      return reply instanceof Promise ? reply.then(settle, fault) : settle(reply);
    };
  }
  return functions;
}
