import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { SEARCH_ATTRIBUTES } from '../../core/search-attributes.ts';
import { prepareTemporal } from './temporal-server.ts';

const PERMISSION_DENIED = '7';
const UNIMPLEMENTED = '12';
const EMPTY_MESSAGE = Buffer.alloc(5);

let server: Http2Server;
afterEach(() => {
  server.close();
});

/** Speaks gRPC: refuses these methods with these codes, and answers an empty message to all others, by which it has no search attributes. */
async function startTemporalThatRefuses(codes: Readonly<Record<string, string>>): Promise<string> {
  server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, { ':path': method = '' }) => {
    const code = codes[method.slice(method.lastIndexOf('/') + 1)];
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': code ?? '0' }));
    stream.end(code === undefined ? EMPTY_MESSAGE : undefined);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a Temporal whose operators keep to themselves', () => {
  it.each([PERMISSION_DENIED, UNIMPLEMENTED])(
    'which search attributes there are (%s) is used, and what it must have is said',
    async (code) => {
      const address = await startTemporalThatRefuses({ ListSearchAttributes: code });
      const advice = await prepareTemporal({ address }, 'ours');
      for (const name of SEARCH_ATTRIBUTES) expect(advice).toContain(name);
    },
  );

  it('who adds search attributes is not used without them, and who runs it is told to add them', async () => {
    const address = await startTemporalThatRefuses({ AddSearchAttributes: PERMISSION_DENIED });
    await expect(prepareTemporal({ address }, 'ours')).rejects.toThrow(
      `add to the namespace ours, as Keyword, ${SEARCH_ATTRIBUTES.join(', ')}`,
    );
  });

  it('everything else is not used either', async () => {
    const address = await startTemporalThatRefuses({ DescribeNamespace: PERMISSION_DENIED });
    await expect(prepareTemporal({ address }, 'ours')).rejects.toMatchObject({ code: 7 });
  });
});
