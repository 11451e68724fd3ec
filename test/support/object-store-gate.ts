import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A request to an S3, as far as it tells what step it belongs to. */
export interface StoreRequest {
  method: string;
  /** Of the object; empty of one about the bucket. */
  key: string;
  query: URLSearchParams;
  /** Whether the store is asked to copy another object there. */
  copies: boolean;
}

export interface Hold {
  /** Requests that are held now, of clients that are still there. */
  held(): number;
  /** Requests that came to be held, ever. */
  begun(): number;
  /** Requests of these that met no store. */
  refused(): number;
  /** Lets all go on, and holds no more. */
  release(): void;
  /** Breaks all off, as a store does that dies, and holds no more. */
  breakOff(): void;
}

export interface ObjectStoreGate {
  endpoint: string;
  /** Holds requests like these from now on, before the store gets them, or once it has answered and nobody has heard it. */
  hold(matches: (request: StoreRequest) => boolean, when: 'before' | 'after'): Hold;
  /** Requests that the store has and has not answered. */
  passing(): number;
  close(): Promise<void>;
}

interface Holding extends Hold {
  matches: (request: StoreRequest) => boolean;
  when: 'before' | 'after';
  /** Resolves false if the client is gone, or was broken off. */
  wait(res: ServerResponse): Promise<boolean>;
  refuse(): void;
}

/** Stands before an S3 and holds what a test wants held. Signatures stay good: they name this address, which the store is told. */
export async function startObjectStoreGate(store: URL): Promise<ObjectStoreGate> {
  const holdings: Holding[] = [];
  const agent = new http.Agent({ keepAlive: true });
  let passing = 0;

  async function pass(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const holding = holdings.find(({ matches }) => matches(requestOf(req)));
    if (holding?.when === 'before' && !(await holding.wait(res))) return;
    const headers = { ...req.headers };
    delete headers.expect; // answered here
    delete headers.connection;
    const { hostname, port } = store;
    const { method, url: path } = req;
    const onward = http.request({ agent, hostname, port, method, path, headers });
    const gone = (): void => void onward.destroy();
    res.once('close', gone);
    try {
      passing += 1;
      req.pipe(onward);
      const [answer] = (await once(onward, 'response').finally(() => (passing -= 1))) as [IncomingMessage];
      const withheld = holding?.when === 'after' ? await buffer(answer) : undefined;
      if (withheld && !(await holding?.wait(res))) return;
      res.writeHead(answer.statusCode ?? 500, answer.headers);
      if (withheld) res.end(withheld);
      else await once(answer.pipe(res), 'finish');
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code === 'ECONNREFUSED') holding?.refuse();
      req.socket.destroy(); // as the store's own would be
    }
  }

  const server = http.createServer((req, res) => void pass(req, res));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    hold(matches, when) {
      const holding = createHolding(matches, when);
      holdings.push(holding);
      return holding;
    },
    passing: () => passing,
    async close() {
      for (const holding of holdings) holding.breakOff();
      server.closeAllConnections();
      server.close();
      agent.destroy();
      await once(server, 'close');
    },
  };
}

function createHolding(matches: Holding['matches'], when: Holding['when']): Holding {
  const held = new Set<(goesOn: boolean) => void>();
  let isOver = false;
  let begun = 0;
  let refused = 0;
  const end = (goesOn: boolean): void => {
    isOver = true;
    for (const decide of held) decide(goesOn);
  };
  return {
    matches: (request) => matches(request),
    when,
    held: () => held.size,
    begun: () => begun,
    refused: () => refused,
    refuse: () => void (refused += 1),
    release: () => end(true),
    breakOff: () => end(false),
    async wait(res) {
      if (isOver) return true;
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const gone = (): void => resolve(false);
      res.once('close', gone);
      held.add(resolve);
      begun += 1;
      const goesOn = await promise;
      held.delete(resolve);
      res.off('close', gone);
      if (!goesOn) res.socket?.destroy();
      return goesOn;
    },
  };
}

function requestOf({ method = '', url = '', headers }: IncomingMessage): StoreRequest {
  const { pathname, searchParams: query } = new URL(url, 'http://store');
  const [, , ...key] = pathname.split('/'); // the first is the bucket
  return {
    method,
    key: decodeURIComponent(key.join('/')),
    query,
    copies: headers['x-amz-copy-source'] !== undefined,
  };
}
