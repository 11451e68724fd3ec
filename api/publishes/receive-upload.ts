import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { PlatformError } from '../../core/errors.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';

export const MAX_UPLOAD_BYTES = 200 * 1024 * 1024;

export interface Announced {
  size: number;
  sha256?: string | undefined;
}

/**
 * Streams an upload to the object store; whatever its size, only a chunk of it is in memory. Stores nothing unless the bytes are those
 * announced. Throws BODY_TOO_LARGE or UPLOAD_MISMATCH, after which the source still has to be drained or dropped.
 */
export async function receiveUpload(
  objects: Pick<ObjectStore, 'put'>,
  key: string,
  source: Readable,
  announced: Announced,
  inTurn: (work: () => void) => Promise<void>,
): Promise<{ size: number; sha256: string }> {
  const hash = createHash('sha256');
  let size = 0;
  let refused: PlatformError | undefined;
  const refuse = (error: PlatformError): PlatformError => (refused = error);

  async function* checked(): AsyncGenerator<Uint8Array> {
    try {
      // Leaving the loop must not destroy the connection: the client is owed an answer.
      for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        size += chunk.byteLength;
        if (size > MAX_UPLOAD_BYTES) throw refuse(tooLarge());
        if (size > announced.size) throw refuse(mismatch(`more than the ${announced.size} bytes announced`));
        await inTurn(() => void hash.update(chunk));
        yield chunk;
        free(chunk);
      }
    } catch (err) {
      if (source.destroyed) refuse(mismatch('fewer bytes than announced: the connection ended early'));
      throw refused ?? err;
    }
    if (size < announced.size)
      throw refuse(mismatch(`${size} bytes and not the ${announced.size} announced`));
    const sha256 = hash.copy().digest('hex');
    if (announced.sha256 !== undefined && sha256 !== announced.sha256) {
      throw refuse(mismatch(`bytes with sha256 ${sha256} and not ${announced.sha256}`));
    }
  }

  try {
    await objects.put(key, checked());
  } catch (err) {
    // A store may wrap what its source threw.
    throw refused ?? err;
  }
  return { size, sha256: hash.digest('hex') };
}

/** At once: V8 collects buffers only once tens of megabytes of them are garbage, and each upload of a busy gateway would lie in memory. */
function free({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

export function tooLarge(): PlatformError {
  return new PlatformError('BODY_TOO_LARGE', `an upload has at most ${MAX_UPLOAD_BYTES} bytes`);
}

function mismatch(received: string): PlatformError {
  return new PlatformError('UPLOAD_MISMATCH', `received ${received}; nothing was kept, send it again`);
}
