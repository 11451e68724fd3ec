import type { Host } from './engine.ts';
import { wasiHttp } from './wasi-http.ts';
import {
  InputStream,
  IoError,
  OutputStream,
  poll,
  Pollable,
  type Clock,
  UnheldResource,
  witError,
} from './wasi-streams.ts';

/** The host of the call that an instance serves. */
export type CurrentHost = () => Omit<Host, 'call'>;

const NANOSECONDS = 1_000_000n;
/** More random bytes than this at once is no sensible wish; getRandomValues asks for at most 64 KiB. */
const RANDOM_LIMIT = 1024 * 1024;

class Descriptor extends UnheldResource {}
class DirectoryEntryStream extends UnheldResource {}
class Network extends UnheldResource {}
class ResolveAddressStream extends UnheldResource {}
class TcpSocket extends UnheldResource {}
class UdpSocket extends UnheldResource {}
class IncomingDatagramStream extends UnheldResource {}
class OutgoingDatagramStream extends UnheldResource {}
class TerminalInput extends UnheldResource {}
class TerminalOutput extends UnheldResource {}

function denied(): never {
  throw witError('access-denied');
}

function exit(): never {
  throw new WebAssembly.RuntimeError('the guest called exit');
}

/** Milliseconds as the guest's nanoseconds: whole milliseconds alone, so that a guest cannot time the host finely. */
function coarse(milliseconds: number): bigint {
  return BigInt(Math.floor(milliseconds)) * NANOSECONDS;
}

/**
 * WASI 0.2 for one execution, by interface: coarse clocks, the host's randomness, output to the host; empty environment,
 * arguments and input; no files, no sockets, no HTTP.
 */
export function createWasi(host: CurrentHost): Record<string, Record<string, unknown>> {
  const clock: Clock = {
    now: () => host().monotonicNow(),
    sleep: (milliseconds) => host().sleep(milliseconds),
  };
  const now = (): bigint => coarse(clock.now());
  const wallClock = (): { seconds: bigint; nanoseconds: number } => {
    const milliseconds = host().wallNow();
    return { seconds: BigInt(Math.floor(milliseconds / 1000)), nanoseconds: (milliseconds % 1000) * 1e6 };
  };
  const after = (nanoseconds: bigint): Pollable =>
    new Pollable(clock, clock.now() + Number(nanoseconds / NANOSECONDS));
  const randomBytes = (length: bigint | number): Uint8Array => {
    if (length > RANDOM_LIMIT) {
      throw new WebAssembly.RuntimeError('more random bytes than the host gives at once');
    }
    const bytes = new Uint8Array(Number(length));
    host().fillRandom(bytes);
    return bytes;
  };
  const randomU64 = (): bigint => new DataView(randomBytes(8n).buffer).getBigUint64(0, true);
  const output = (stream: 'stdout' | 'stderr') => new OutputStream((bytes) => host().output(stream, bytes));
  return {
    'wasi:cli/environment': {
      getEnvironment: () => [],
      getArguments: () => [],
      initialCwd: () => undefined,
    },
    'wasi:cli/exit': { exit, exitWithCode: exit },
    'wasi:cli/stdin': { getStdin: () => new InputStream() },
    'wasi:cli/stdout': { getStdout: () => output('stdout') },
    'wasi:cli/stderr': { getStderr: () => output('stderr') },
    'wasi:cli/terminal-input': { TerminalInput },
    'wasi:cli/terminal-output': { TerminalOutput },
    'wasi:cli/terminal-stdin': { getTerminalStdin: () => undefined },
    'wasi:cli/terminal-stdout': { getTerminalStdout: () => undefined },
    'wasi:cli/terminal-stderr': { getTerminalStderr: () => undefined },
    'wasi:clocks/monotonic-clock': {
      now,
      resolution: () => NANOSECONDS,
      subscribeInstant: (when: bigint) => after(when > now() ? when - now() : 0n),
      subscribeDuration: after,
    },
    'wasi:clocks/wall-clock': {
      now: wallClock,
      resolution: () => ({ seconds: 0n, nanoseconds: Number(NANOSECONDS) }),
    },
    'wasi:io/error': { Error: IoError },
    'wasi:io/poll': { Pollable, poll },
    'wasi:io/streams': { InputStream, OutputStream },
    'wasi:random/random': { getRandomBytes: randomBytes, getRandomU64: randomU64 },
    'wasi:random/insecure': { getInsecureRandomBytes: randomBytes, getInsecureRandomU64: randomU64 },
    'wasi:random/insecure-seed': { insecureSeed: () => [randomU64(), randomU64()] },
    'wasi:filesystem/preopens': { getDirectories: () => [] },
    'wasi:filesystem/types': { Descriptor, DirectoryEntryStream, filesystemErrorCode: () => undefined },
    'wasi:sockets/network': { Network, networkErrorCode: () => undefined },
    'wasi:sockets/instance-network': { instanceNetwork: () => new Network() },
    'wasi:sockets/ip-name-lookup': { ResolveAddressStream, resolveAddresses: denied },
    'wasi:sockets/tcp': { TcpSocket },
    'wasi:sockets/tcp-create-socket': { createTcpSocket: denied },
    'wasi:sockets/udp': { UdpSocket, IncomingDatagramStream, OutgoingDatagramStream },
    'wasi:sockets/udp-create-socket': { createUdpSocket: denied },
    ...wasiHttp,
  };
}
