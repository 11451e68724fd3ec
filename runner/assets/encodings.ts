import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip, zstdCompress } from 'node:zlib';

/** In what form the bytes of a file travel; `identity`: as they are in the bundle. */
export type Coding = 'br' | 'zstd' | 'gzip' | 'identity';
/** Made of a file when its UI is unpacked, smallest first. */
export const MADE_CODINGS = ['br', 'zstd', 'gzip'] as const satisfies Coding[];

/** Of media that are not compressed in themselves. */
const COMPRESSIBLE = new Set(
  '.html .css .js .mjs .json .map .wasm .txt .svg .ttf .otf .ico'.split(' '), // as in ui-headers.ts
);
/** Smaller ones travel in one packet or two with their headers as they are. */
const MIN_BYTES = 1024;
const MAX_BYTES = 4 * 1024 * 1024;
/** Of the files of one UI together, in their order in the bundle: about a second of one core. What is over goes as it is. */
const BUDGET_BYTES = 8 * 1024 * 1024;
const BUDGET_FILES = 1_000;
/** Not worth a file and a browser's work otherwise. */
const AT_MOST = 0.9;

const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT, ZSTD_c_compressionLevel } = constants;
const asBrotli = promisify(brotliCompress);
const asZstd = promisify(zstdCompress);
const asGzip = promisify(gzip);

// Levels beyond these cost several times as much for a few per cent (docs/decisions/0049-ui-assets.md).
const ENCODERS: Record<(typeof MADE_CODINGS)[number], (bytes: Uint8Array) => Promise<Uint8Array>> = {
  br: (bytes) =>
    asBrotli(bytes, { params: { [BROTLI_PARAM_QUALITY]: 6, [BROTLI_PARAM_SIZE_HINT]: bytes.byteLength } }),
  zstd: (bytes) => asZstd(bytes, { params: { [ZSTD_c_compressionLevel]: 9 } }),
  gzip: (bytes) => asGzip(bytes, { level: 6 }),
};

/** Makes the forms of one UI's files, one after the other, until its budget is spent. */
export type EncodeFile = (path: string) => AsyncGenerator<{ coding: Coding; bytes: Uint8Array }>;

export function createEncodeFile(): EncodeFile {
  let bytesLeft = BUDGET_BYTES;
  let filesLeft = BUDGET_FILES;
  return async function* encode(path) {
    if (!COMPRESSIBLE.has(extname(path).toLowerCase())) return;
    const { size } = await stat(path);
    if (size < MIN_BYTES || size > Math.min(MAX_BYTES, bytesLeft) || filesLeft === 0) return;
    bytesLeft -= size;
    filesLeft -= 1;
    const bytes = await readFile(path);
    for (const coding of MADE_CODINGS) {
      const encoded = await ENCODERS[coding](bytes);
      if (encoded.byteLength <= size * AT_MOST) yield { coding, bytes: encoded };
    }
  };
}
