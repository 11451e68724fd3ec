import { generateKeyPairSync } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface AskedOfHost {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export type HostAnswer = (asked: AskedOfHost, res: ServerResponse) => void;

/** Stands for a host application: remembers what it was asked, and answers as it is told. */
export interface AnsweringHost {
  readonly url: string;
  readonly asked: AskedOfHost[];
  answer: HostAnswer;
  /** Open ones. */
  connections(): Promise<number>;
  close(): void;
}

export const sending =
  (status: number, body: unknown): HostAnswer =>
  (_asked, res) =>
    void res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

export const frozen: HostAnswer = () => undefined;

export async function startAnsweringHost(): Promise<AnsweringHost> {
  const server = createServer((req, res) => {
    void buffer(req).then((body) => {
      const asked = { path: req.url ?? '', headers: req.headers, body: String(body) };
      host.asked.push(asked);
      host.answer(asked, res);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host: AnsweringHost = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    answer: frozen,
    connections: () => new Promise((resolve) => server.getConnections((_err, count) => resolve(count))),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return host;
}

/** As the gateway takes it. */
export function hostTokenKey(): { privateKey: string; publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
  };
}
