import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { CORE_FOLDER, GLUE_FILE, METADATA_FILE } from '../../core/artifact-files.ts';
import { DEFAULT_BUNDLE_LIMITS } from '../../core/tar/limits.ts';
import { readTar } from '../../core/tar/read-tar.ts';
import type { EngineArtifact } from '../engine/engine.ts';

const expand = promisify(zstdDecompress);
const MAX_BYTES = DEFAULT_BUNDLE_LIMITS.expandedBytes;
/** Times that an archive grows, and more than is usual: room that is not written takes no memory, while a second piece is one more copy of all. */
const GROWS = 8;

/** An artifact's archive as the engine takes it, and how large it is expanded. Whoever sends it has verified it; the work is done beside this thread. */
export async function expandArtifact(
  contentHash: string,
  archive: Uint8Array,
): Promise<{ artifact: EngineArtifact; expandedBytes: number }> {
  const tar = await expand(archive, {
    chunkSize: Math.min(GROWS * archive.byteLength, MAX_BYTES),
    maxOutputLength: MAX_BYTES,
  });
  const files = readTar(tar);
  const metadata = Buffer.from(files.get(METADATA_FILE) ?? []).toString();
  const { imports, plan } = JSON.parse(metadata) as Pick<EngineArtifact, 'imports' | 'plan'>;
  const glue = files.get(GLUE_FILE);
  const coreModules: Record<string, Uint8Array> = {};
  for (const [path, bytes] of files) {
    if (path.startsWith(CORE_FOLDER)) coreModules[path.slice(CORE_FOLDER.length)] = bytes;
  }
  const artifact = { contentHash, coreModules, imports, ...(plan && { plan }), ...(glue && { glue }) };
  return { artifact, expandedBytes: tar.byteLength };
}
