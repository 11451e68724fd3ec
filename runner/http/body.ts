import type { IncomingMessage } from 'node:http';
import { PlatformError } from '../../core/errors.ts';

/** `content-type` without its parameters, in lower case. */
export function mediaType(req: IncomingMessage): string {
  return (req.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** The whole body. Throws BODY_TOO_LARGE, before reading when the length is announced; it rejects when the client goes away. */
export function readBody(req: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const refuse = (): void =>
    reject(new PlatformError('BODY_TOO_LARGE', `the body is over ${maxBytes} bytes`));
  if (Number(req.headers['content-length'] ?? 0) > maxBytes) {
    refuse();
    return promise;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  const take = (chunk: Buffer): void => {
    size += chunk.byteLength;
    if (size <= maxBytes) {
      chunks.push(chunk);
      return;
    }
    req.off('data', take);
    req.pause();
    refuse();
  };
  req.on('data', take);
  req.once('end', () => {
    const [only] = chunks;
    resolve(chunks.length === 1 && only ? only : Buffer.concat(chunks, size));
  });
  req.once('error', reject);
  return promise;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Throws INPUT_INVALID. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new PlatformError('INPUT_INVALID', 'the body is not JSON', { cause });
  }
}
