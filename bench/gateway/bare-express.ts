import type { AddressInfo } from 'node:net';
import express from 'express';
import { Pool } from 'undici';

// The yardsticks: an Express route that reads a request whole and answers the bytes of its argument, or, given an origin, what that
// answers. Prints its port.
const [type = '', base64 = '', origin] = process.argv.slice(2);
const answer = Buffer.from(base64, 'base64');
const next = origin === undefined ? undefined : new Pool(origin, { connections: 256 });

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.use(express.raw({ type: () => true }));
app.post('/*path', async (req, res) => {
  if (!next) {
    res.set('content-type', type).end(answer);
    return;
  }
  const headers = { 'content-type': req.headers['content-type'] ?? '' };
  const { body, statusCode } = await next.request({
    method: 'POST',
    path: req.url,
    headers,
    body: req.body as Buffer,
  });
  const bytes = Buffer.from(await body.arrayBuffer());
  res.status(statusCode).set('content-type', type).end(bytes);
});
const server = app.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
