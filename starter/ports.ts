import { createServer } from 'node:net';

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

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  const port = await listenOnce(0);
  if (port === undefined) throw new Error('this machine has no free port');
  return port;
}

async function isFree(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== undefined;
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined)); // taken, or not ours to use: both mean another one
    server.listen({ host: '127.0.0.1', port }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
    });
  });
}
