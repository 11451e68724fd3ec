import { createHash } from 'node:crypto';
import { PlatformError } from '../../core/errors.ts';
import type { PutOnceOptions } from './object-store.ts';

export interface ByteCount {
  /** BUNDLE_CORRUPT as soon as there are more bytes than announced. */
  add(chunk: Uint8Array): void;
  /** BUNDLE_CORRUPT unless the bytes are those announced. */
  end(): void;
  readonly size: number;
}

/** Counts bytes on their way into a store and, where they were announced, holds them to it. */
export function createByteCount(announced: PutOnceOptions | undefined): ByteCount {
  const hash = createHash('sha256');
  let size = 0;
  return {
    add(chunk) {
      size += chunk.length;
      if (announced === undefined) return;
      hash.update(chunk);
      if (size > announced.size) throw differs(`there are more than the ${announced.size} bytes announced`);
    },
    end() {
      if (announced === undefined) return;
      if (size !== announced.size) throw differs(`there are ${size} bytes, announced were ${announced.size}`);
      const sha256 = hash.digest('hex');
      if (sha256 !== announced.sha256) {
        throw differs(`the bytes have the sha256 ${sha256}, announced was ${announced.sha256}`);
      }
    },
    get size() {
      return size;
    },
  };
}

function differs(message: string): PlatformError {
  return new PlatformError('BUNDLE_CORRUPT', `nothing was stored: ${message}`);
}
