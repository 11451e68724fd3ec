import type { AddressInfo } from 'node:net';
import express from 'express';

// The yardstick: an Express route that answers the bytes of its argument, in a process of its own. Prints its port.
const app = express();
const body = process.argv[2] ?? '{}';
app.get('/hello/:name', (_req, res) => {
  res.type('json').send(body);
});
const server = app.listen(0, '127.0.0.1', () => {
  console.log((server.address() as AddressInfo).port);
});
