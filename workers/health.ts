import { createHttpServer, type HttpServer } from '../platform/http/http-server.ts';

/** For orchestrators: `GET /readyz` is 200 while tasks are taken, else 503; `GET /healthz` is 200 as long as anything is answered. */
export function createHealthServer(polls: () => boolean): HttpServer {
  return createHttpServer((req, res) => {
    const isUp: Record<string, () => boolean> = { '/healthz': () => true, '/readyz': polls };
    const ask = isUp[req.url ?? ''];
    if (!ask) res.writeHead(404).end();
    else if (req.method !== 'GET') res.writeHead(405, { allow: 'GET' }).end();
    else res.writeHead(ask() ? 200 : 503).end();
  });
}
