import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below those that Linux and macOS give to outgoing connections: one of them may take such a port before it is listened on. */
const LOWEST_PORT = 10_000;
const HIGHEST_PORT = 32_767;
const ATTEMPTS = 100;

export interface PortWish {
  /** The variable a person would set. */
  name: string;
  /** As set by a person; undefined means `preferred`, if it is free. */
  explicit: number | undefined;
  /** Undefined: any free one. */
  preferred: number | undefined;
}

/** Chooses a distinct free port for each wish. A taken default moves and says so; a taken explicit one throws. */
export async function choosePorts<Name extends string>(
  wishes: Readonly<Record<Name, PortWish>>,
  log: (line: string) => void,
): Promise<Record<Name, number>> {
  const chosen = new Map<string, number>();
  const available = async (port: number): Promise<boolean> =>
    ![...chosen.values()].includes(port) && (await isFree(port));
  const list = Object.entries<PortWish>(wishes);
  // What people asked for first, so that no default that moves takes it.
  for (const [key, { name, explicit }] of list) {
    if (explicit === undefined || explicit === 0) continue;
    if (!(await available(explicit))) throw new Error(`${name}=${explicit}: this port is taken`);
    chosen.set(key, explicit);
  }
  for (const [key, { name, explicit, preferred }] of list) {
    if (chosen.has(key)) continue;
    if (explicit === undefined && preferred !== undefined && (await available(preferred))) {
      chosen.set(key, preferred);
      continue;
    }
    let port = await freePort();
    while (!(await available(port))) port = await freePort();
    if (explicit === undefined && preferred !== undefined) {
      log(`port ${preferred} is taken; ${name} moves to ${port}`);
    }
    chosen.set(key, port);
  }
  return Object.fromEntries(chosen) as Record<Name, number>;
}

/** A port of 127.0.0.1 that nobody listens on now; by chance, so that two who choose at the same time do not choose the same. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT + 1);
    if (await isFree(port)) return port;
  }
  throw new Error(`no port from ${LOWEST_PORT} to ${HIGHEST_PORT} seems free, after ${ATTEMPTS} attempts`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false)); // taken, or not ours to use: both mean another one
    server.listen({ host: '127.0.0.1', port }, () => void server.close(() => resolve(true)));
  });
}
