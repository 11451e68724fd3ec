import { archiveFault } from './archive-fault.ts';
import { parseTarHeader, TAR_BLOCK, tarPadding } from './header.ts';

/**
 * The files of a tar that lies in memory, as views on it. For what we packed and signed ourselves: a stranger's archive is read by
 * `unpackTarZst`, which has limits and refuses names that mean different files to different readers. Throws BUNDLE_CORRUPT.
 */
export function readTar(tar: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (let at = 0; ;) {
    const header = parseTarHeader(tar.subarray(at, at + TAR_BLOCK));
    if (header === undefined) return files;
    const begin = at + TAR_BLOCK;
    const end = begin + header.size;
    at = end + tarPadding(header.size);
    if (header.type !== 'file' || at > tar.byteLength) {
      throw archiveFault('tar_truncated', `${JSON.stringify(header.path)} is no whole file`);
    }
    files.set(header.path, tar.subarray(begin, end));
  }
}
