import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

// The yardstick: a server of Node's that reads each request whole and answers the bytes of its argument, base64. Prints its port.
const [type = '', base64 = ''] = process.argv.slice(2);
const body = Buffer.from(base64, 'base64');
const server = createServer((req, res) => {
  void buffer(req).then(() => {
    res.writeHead(200, { 'content-type': type, 'content-length': body.byteLength }).end(body);
  });
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
