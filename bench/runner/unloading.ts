import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { requestOf, type Guest } from '../engine/guests.ts';
import { createLogger } from '../../platform/logger.ts';
import {
  packArtifact,
  type PrecompiledArtifact,
  type VerifiedArtifact,
} from '../../platform/component/artifact.ts';
import { processUsage } from '../../runner/sandbox/resident-memory.ts';
import { createSandbox, type Sandbox } from '../../runner/sandbox/sandbox.ts';

const MIB = 1024 * 1024;
const COMPONENTS = 500;
/** Looked at so often. */
const EVERY = 100;
const MARK = 'feedc0de';
/** To compress as hard as a publish does would take longer than the calls. */
const LIGHTLY = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Resident memory of one tenant's process that calls 500 distinct components, once each. They differ by a custom section. */
export async function measureUnloading(guests: readonly Guest[]): Promise<object[]> {
  const rows = [];
  for (const { name, rewound } of guests) {
    let unloads = 0;
    const logger = createLogger({ level: 'warn', process: 'bench' });
    const sandbox = createSandbox(logger, 'process', { countUnload: () => (unloads += 1) });
    if (!(await sandbox.ready)) throw new Error('the sandbox did not start');
    const copy = await createCopies(rewound);
    const row: Record<string, string | number> = { guest: name };
    for (let at = 1; at <= COMPONENTS; at += 1) {
      await callOnce(sandbox, copy(at));
      if (at === 1 || at % EVERY === 0) row[`MiB after ${at}`] = await residentMib(sandbox);
    }
    rows.push({ ...row, unloads });
    sandbox.kill('closing');
    await sandbox.exited;
  }
  return rows;
}

async function callOnce(sandbox: Sandbox, artifact: VerifiedArtifact): Promise<void> {
  await sandbox.load(artifact);
  const outcome = await sandbox.run({
    contentHash: artifact.contentHash,
    request: requestOf('/echo'),
    responseBytes: MIB,
    limits: { timeoutMs: 60_000, memoryMb: 64 },
    constants: {},
    takesTurns: true,
    onCall: () => Promise.resolve({ ok: undefined }),
    onOutput: () => undefined,
  });
  if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.message}`);
}

/** The same component in other bytes, so that nothing of it is taken for what is there already. */
async function createCopies({
  coreModules,
  ...artifact
}: PrecompiledArtifact): Promise<(number: number) => VerifiedArtifact> {
  const section = Buffer.concat([Buffer.from([0, MARK.length + 1, MARK.length]), Buffer.from(MARK)]);
  const entries = Object.entries(coreModules).map(
    ([file, bytes]) => [file, Buffer.concat([bytes, section])] as const,
  );
  const marked = { ...artifact, target: 'none', coreModules: Object.fromEntries(entries) };
  const tar = zstdDecompressSync((await packArtifact(marked)).bytes);
  const places: number[] = [];
  for (let at = tar.indexOf(MARK); at >= 0; at = tar.indexOf(MARK, at + 1)) places.push(at);
  return (number) => {
    const contentHash = `sha256:${number.toString(16).padStart(64, '0')}`;
    for (const at of places) tar.write(contentHash.slice(-MARK.length), at);
    return { contentHash, archive: zstdCompressSync(tar, LIGHTLY), isLinked: true };
  };
}

async function residentMib({ pid }: Sandbox): Promise<number> {
  const usage = pid === undefined ? undefined : await processUsage(pid);
  return Math.round((usage?.residentBytes ?? Number.NaN) / MIB);
}
