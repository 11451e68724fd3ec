import { spawn, type ChildProcess } from 'node:child_process';
import { waitFor } from '../wait-for.ts';
import type { HeldSocket } from './held-sockets.ts';
import { processIdentity } from './identity.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import type { ProcessLog } from './process-log.ts';
import { awaitEnd, killProcess, send } from './stop-process.ts';

export interface ProcessSpec {
  name: string;
  command: string;
  args: readonly string[];
  /** The whole environment: nothing is inherited. */
  env: Readonly<Record<string, string>>;
  uid?: number;
  gid?: number;
  cwd?: string;
  /** A process of ours: connected over IPC, so that it notices when we are gone and we that it hangs; its lines are shown. */
  role?: boolean;
  stopSignal?: LedgerEntry['stopSignal'];
  /** What it listens on, kept open here: handed to it as descriptors from FIRST_SOCKET on. */
  sockets?: readonly HeldSocket[];
  /** How many listeners it has opened when it is ready, where two processes may be asked at one address. */
  listeners?: number;
  /** Whether one may begin to serve while another still does. */
  overlaps?: boolean;
  /** Whether a successor is prepared beside the one that serves, and each told when it begins and ends: runner/turns.ts. */
  takesTurns?: boolean;
  /** Done ahead of each launch. */
  before?: () => Promise<void>;
  /** Asked until true. */
  ready: (pid: number) => Promise<boolean>;
  readyWithinMs?: number;
  /** Asked from then on, now and again; one that is silent for too long is killed, and started again. */
  alive?: (pid: number) => Promise<boolean>;
  /** How long is too long, where that is more than usual. */
  silentMs?: number;
}

export const READY_WITHIN_MS = 60_000;
const SAYS_WITHIN_MS = 10_000;

export interface Running {
  child: ChildProcess;
  pid: number;
  identity: string | undefined;
  ended: Promise<string>;
  hasEnded: boolean;
  /** When it last said over IPC that its event loop turns. */
  heardAt: number;
  /** Listeners that it has opened. */
  listeners: number;
  /** Of one that takes turns: whether it only waits to be told that it begins. */
  isPrepared: boolean;
  /** … and whether it listens no more. */
  isOver: boolean;
  /** Resolves when it was told to stop. */
  drains: Promise<undefined>;
  /** By whomever: a second time would end it in the middle of what it holds. */
  isTold: boolean;
}

/** Unless it was told before, or has ended: false. */
export function tellToStop(running: Running, signal: NodeJS.Signals): boolean {
  if (running.hasEnded || running.isTold) return false;
  running.isTold = true;
  send(running.pid, signal);
  return true;
}

/** Has it end, in its time, or kills it; resolves when it is gone. */
export async function end(running: Running, signal: NodeJS.Signals): Promise<void> {
  if (running.hasEnded) return;
  const { pid, identity } = running;
  if (signal !== 'SIGKILL') tellToStop(running, signal);
  if (identity !== undefined)
    await (signal === 'SIGKILL' ? killProcess(pid, identity) : awaitEnd(pid, identity));
  await running.ended;
}

export function launchOnce(spec: ProcessSpec, output: ProcessLog, ledger: Ledger): Running {
  const child = spawn(spec.command, spec.args, {
    env: { ...spec.env },
    stdio: [
      ...(['ignore', 'pipe', 'pipe', spec.role === true ? 'ipc' : 'ignore'] as const),
      ...(spec.sockets ?? []).map((socket) => socket.fd()),
    ],
    // A group of its own: Ctrl-C in the terminal reaches the starter alone, which stops the rest in order.
    detached: true,
    ...(spec.cwd !== undefined && { cwd: spec.cwd }),
    ...(spec.uid !== undefined && { uid: spec.uid }),
    ...(spec.gid !== undefined && { gid: spec.gid }),
  });
  const { pid } = child;
  if (pid !== undefined) ledger.add(spec.name, pid, spec.stopSignal ?? 'SIGTERM');
  output.take(child.stdout);
  output.take(child.stderr);
  const ended = new Promise<string>((resolve) => {
    child.on('error', (cause) => resolve(cause.message));
    child.once('exit', (code, signal) => resolve(signal ?? `code ${code ?? 'unknown'}`));
  });
  const told = Promise.withResolvers<undefined>();
  const running: Running = {
    child,
    pid: pid ?? -1,
    identity: pid === undefined ? undefined : processIdentity(pid),
    hasEnded: false,
    heardAt: 0,
    listeners: 0,
    isPrepared: false,
    isOver: false,
    drains: told.promise,
    isTold: false,
    ended,
  };
  child.on('message', (said) => {
    running.heardAt = performance.now();
    if (said === 'listens') running.listeners += 1;
    if (said === 'prepared') running.isPrepared = true;
    if (said === 'over') running.isOver = true;
    if (said !== 'drains') return;
    running.isTold = true;
    told.resolve(undefined);
  });
  void ended.then(() => {
    running.hasEnded = true;
    if (pid === undefined) return;
    // What it started itself and left behind lies in its group.
    send(-pid, 'SIGKILL');
    ledger.remove(pid);
  });
  return running;
}

/**
 * What went wrong, or undefined once the process is ready. Where another may answer at the same address, that answer says that what both
 * need is there; of this one its listeners do.
 */
export async function untilReady(spec: ProcessSpec, running: Running): Promise<string | undefined> {
  if (spec.takesTurns === true) {
    const fault = await untilPrepared(spec, running);
    if (fault !== undefined) return fault;
    tell(running, 'begin');
  }
  const listens = (): boolean => running.listeners >= (spec.listeners ?? 0);
  return settles(spec, running, async () => listens() && (await spec.ready(running.pid)));
}

/** The same of one that takes turns and is not told yet that it begins. */
export function untilPrepared(spec: ProcessSpec, running: Running): Promise<string | undefined> {
  return settles(spec, running, () => running.isPrepared);
}

async function settles(
  spec: ProcessSpec,
  running: Running,
  isSo: () => boolean | Promise<boolean>,
): Promise<string | undefined> {
  const within = spec.readyWithinMs ?? READY_WITHIN_MS;
  if (!(await waitFor(async () => running.hasEnded || (await isSo()), within)))
    return `was not ready within ${within / 1000} s`;
  return running.hasEnded ? `ended before it was ready (${await running.ended})` : undefined;
}

export function tell(running: Running, what: 'begin' | 'end'): void {
  running.child.send(what, () => undefined); // not sent: it is gone
}

/** Whether it does what it is there for. */
export async function answers(spec: ProcessSpec, running: Running): Promise<boolean> {
  if (spec.role === true && !(await itsLoopTurns(running))) return false;
  return (await spec.alive?.(running.pid)) ?? true;
}

/** leave-with-starter.ts answers whatever it is sent. */
function itsLoopTurns(running: Running): Promise<boolean> {
  const askedAt = performance.now();
  running.child.send('alive?', () => undefined); // not sent: not answered
  return waitFor(() => running.hasEnded || running.heardAt >= askedAt, SAYS_WITHIN_MS, 100);
}
