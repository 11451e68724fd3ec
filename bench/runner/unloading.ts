import { requestOf, type Guest } from '../engine/guests.ts';
import { createLogger } from '../../platform/logger.ts';
import type { EngineArtifact } from '../../runner/engine/engine.ts';
import { processUsage } from '../../runner/sandbox/resident-memory.ts';
import { createSandbox, type Sandbox } from '../../runner/sandbox/sandbox.ts';

const MIB = 1024 * 1024;
const COMPONENTS = 500;
/** Looked at so often. */
const EVERY = 100;

/** Resident memory of one tenant's process that calls 500 distinct components, once each. They differ by a custom section. */
export async function measureUnloading(guests: readonly Guest[]): Promise<object[]> {
  const rows = [];
  for (const { name, rewound } of guests) {
    let unloads = 0;
    const logger = createLogger({ level: 'warn', process: 'bench' });
    const sandbox = createSandbox(logger, 'process', { countUnload: () => (unloads += 1) });
    if (!(await sandbox.ready)) throw new Error('the sandbox did not start');
    const row: Record<string, string | number> = { guest: name };
    for (let at = 1; at <= COMPONENTS; at += 1) {
      await callOnce(sandbox, distinct(rewound, at));
      if (at === 1 || at % EVERY === 0) row[`MiB after ${at}`] = await residentMib(sandbox);
    }
    rows.push({ ...row, unloads });
    sandbox.kill('closing');
    await sandbox.exited;
  }
  return rows;
}

async function callOnce(sandbox: Sandbox, artifact: EngineArtifact): Promise<void> {
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
function distinct({ coreModules, ...artifact }: EngineArtifact, number: number): EngineArtifact {
  const name = Buffer.from(`n${number}`);
  const section = Buffer.concat([Buffer.from([0, name.length + 1, name.length]), name]);
  const entries = Object.entries(coreModules);
  return {
    ...artifact,
    contentHash: `sha256:${number.toString(16).padStart(64, '0')}`,
    coreModules: Object.fromEntries(entries.map(([file, bytes]) => [file, Buffer.concat([bytes, section])])),
  };
}

async function residentMib({ pid }: Sandbox): Promise<number> {
  const usage = pid === undefined ? undefined : await processUsage(pid);
  return Math.round((usage?.residentBytes ?? Number.NaN) / MIB);
}
