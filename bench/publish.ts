import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { readPublish, type Publish } from '../core/api/publishes.ts';
import { packTarZst } from '../platform/bundle/pack.ts';
import { buildExample } from '../scripts/build-example.ts';
import { readLocalPlatform } from './local-platform.ts';
import { finish, upload, type BundleFile } from './publish-files.ts';
import { treeResident } from './runner/process-figures.ts';
import { clientOf } from './tenants.ts';

// What a publisher waits for, and what it takes. Needs a platform that serves nobody else: `npm start`, then `npm run bench:publish`; Linux,
// with `sha256sum` and `zstd`. Every figure comes from this one run. Exits with 1 if a bar is missed. Each run leaves its versions behind.

const MIB = 1024 * 1024;
const EXAMPLE = path.join(import.meta.dirname, '..', 'examples', 'hello');
const CACHE = path.join(import.meta.dirname, '..', 'node_modules', '.cache', 'components');
/** A file of what cannot be compressed; archives limit how large one may be. */
const FILLING_BYTES = 16 * MIB;
/** Often enough for what a bundle takes, and seldom enough to leave the cores to the platform. */
const SAMPLE_MS = 50;
const WATCHED = ['gateway', 'lifecycle-worker', 'precompile-worker'] as const;

const { values: options } = parseArgs({
  options: {
    /** MiB of each bundle. */
    sizes: { type: 'string', default: '1,12,50,199' },
    /** Publishes at once. */
    rush: { type: 'string', default: '20' },
  },
});

const local = readLocalPlatform(process.env['DATA_DIR'] ?? '.data');
const call = clientOf(local, local.keys.admin);
const RUN = Date.now().toString(36);

function judged(figure: number, bar: number, unit: string): Record<string, string> {
  if (!(figure <= bar)) process.exitCode = 1;
  return {
    figure: `${figure.toFixed(1)} ${unit}`,
    bar: `${bar} ${unit}`,
    verdict: figure <= bar ? 'held' : 'MISSED',
  };
}

/** The example under another name, with a component of QuickJS or of StarlingMonkey. */
async function filesOf(
  name: string,
  version: string,
  engine: 'quickjs' | 'starlingmonkey',
): Promise<BundleFile[]> {
  const { files } = await buildExample(EXAMPLE, { cacheDir: CACHE, engine, log: console.log });
  return files.map((file) => {
    if (file.path !== 'manifest.json') return file;
    const manifest = JSON.parse(Buffer.from(file.bytes).toString()) as object;
    return { path: file.path, bytes: Buffer.from(JSON.stringify({ ...manifest, name, version })) };
  });
}

/** As many bytes of assets that cannot be compressed. */
function filling(bytes: number): BundleFile[] {
  const files: BundleFile[] = [];
  for (let left = bytes; left > 0; left -= FILLING_BYTES) {
    files.push({ path: `ui/filling-${files.length}.bin`, bytes: randomBytes(Math.min(left, FILLING_BYTES)) });
  }
  return files;
}

/** How long it takes to hash a file and to expand it, one after the other. */
function millisOfTools(bundle: Uint8Array): number {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'alga-bench-publish-'));
  try {
    const file = path.join(folder, 'bundle.tar.zst');
    writeFileSync(file, bundle);
    readFileSync(file); // it is in the page cache, as what was uploaded is
    const started = performance.now();
    for (const [command, args] of [
      ['sha256sum', [file]],
      ['zstd', ['--decompress', '--quiet', '--force', '-o', '/dev/null', file]],
    ] as const) {
      const { status, error } = spawnSync(command, args, { stdio: 'ignore' });
      if (status !== 0) throw new Error(`${command} did not work`, { cause: error });
    }
    return performance.now() - started;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Resident memory of the processes that bytes pass, with what they start: the most above what it was at the beginning, in MiB. */
function watchMemory(): { most(): Record<string, number> } {
  const resident = (name: string): number => treeResident(local.processes[name] ?? 0) / MIB;
  const before = new Map(WATCHED.map((name) => [name, resident(name)]));
  const most = new Map<string, number>();
  const timer = setInterval(() => {
    for (const name of WATCHED) {
      try {
        most.set(name, Math.max(most.get(name) ?? 0, resident(name) - (before.get(name) ?? 0)));
      } catch {
        // A child ended while it was looked at; the next look comes soon.
      }
    }
  }, SAMPLE_MS);
  return {
    most() {
      clearInterval(timer);
      return Object.fromEntries(most);
    },
  };
}

function millisOf({ steps }: Publish, name: string): number {
  const step = steps.find((one) => one.name === name);
  return Date.parse(step?.endedAt ?? '') - Date.parse(step?.startedAt ?? '');
}

interface Measured {
  uploadMs: number;
  wholeMs: number;
  publish: Publish;
  memory: Record<string, number>;
}

async function measure(bundle: Uint8Array): Promise<Measured> {
  const memory = watchMemory();
  const started = performance.now();
  const uploadId = await upload(call, bundle);
  const uploadMs = performance.now() - started;
  await finish(call, uploadId);
  const wholeMs = performance.now() - started;
  const publish = (await call(readPublish, { params: { uploadId } })).body;
  return { uploadMs, wholeMs, publish, memory: memory.most() };
}

async function measureSizes(): Promise<void> {
  const sizes = options.sizes.split(',').map(Number);
  const times: Record<string, Record<string, string>> = {};
  const memories: Record<string, Record<string, string>> = {};
  let last: { ratio: number; memory: Record<string, number> } | undefined;
  for (const [nth, size] of sizes.entries()) {
    const own = await filesOf(`bench-publish-${RUN}`, `1.0.${nth}`, 'quickjs');
    const held = own.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
    const bundle = await packTarZst([...own, ...filling(Math.max(0, size * MIB - held))]);
    const tools = millisOfTools(bundle);
    const { uploadMs, wholeMs, publish, memory } = await measure(bundle);
    const ratio = (wholeMs - millisOf(publish, 'precompile')) / tools;
    const name = `${(bundle.byteLength / MIB).toFixed(1)} MiB`;
    times[name] = {
      upload: `${uploadMs.toFixed(0)} ms`,
      ...Object.fromEntries(
        publish.steps.map(({ name: step }) => [step, `${millisOf(publish, step).toFixed(0)} ms`]),
      ),
      whole: `${wholeMs.toFixed(0)} ms`,
      'sha256sum, zstd -d': `${tools.toFixed(0)} ms`,
      'without precompile': `${ratio.toFixed(2)} times`,
    };
    memories[name] = Object.fromEntries(
      Object.entries(memory).map(([process, mib]) => [process, `+${mib.toFixed(0)} MiB`]),
    );
    last = { ratio, memory };
  }
  console.log('publishes by size, one after the other');
  console.table(times);
  console.log('resident memory at most, above what it was before');
  console.table(memories);
  if (!last) return;
  console.table({
    'the largest, without precompile': judged(last.ratio, 3, 'times the tools'),
    'memory of the gateway': judged(last.memory['gateway'] ?? Number.NaN, 64, 'MiB'),
    'memory of the lifecycle worker': judged(last.memory['lifecycle-worker'] ?? Number.NaN, 64, 'MiB'),
  });
}

async function measurePrecompile(): Promise<void> {
  const files = await filesOf(`bench-precompile-${RUN}`, '1.0.0', 'starlingmonkey');
  const { publish } = await measure(await packTarZst(files));
  const component = files.find(({ path: file }) => file === 'entry.wasm')?.bytes.byteLength ?? 0;
  console.table({
    [`precompile of ${(component / 1e6).toFixed(1)} MB of StarlingMonkey`]: judged(
      millisOf(publish, 'precompile') / 1000,
      5,
      's',
    ),
  });
}

/** All of them ask for the next free version. */
async function measureRush(): Promise<void> {
  const count = Number(options.rush);
  const bundle = await packTarZst(await filesOf(`bench-rush-${RUN}`, '1.0.*', 'quickjs'));
  const started = performance.now();
  const versions = await Promise.all(
    Array.from({ length: count }, async () => finish(call, await upload(call, bundle))),
  );
  console.table({
    [`${count} publishes at once`]: { figure: `${((performance.now() - started) / 1000).toFixed(1)} s` },
    'without a version of its own': judged(count - new Set(versions).size, 0, 'publishes'),
  });
}

await measurePrecompile();
await measureSizes();
await measureRush();
