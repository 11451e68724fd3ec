import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { componentize as componentizeQuickJs } from 'componentize-qjs';
import { precompileComponent } from '../platform/component/precompile.ts';
import { createEngine } from '../runner/engine/create-engine.ts';
import type { EngineArtifact, GuestRequest, Host } from '../runner/engine/engine.ts';
import { buildExample } from '../scripts/build-example.ts';

// The engine alone, in this process and on one thread. Every figure comes from this one run, so compare within it.

const CALLS = Number(process.argv[2] ?? 3_000);
const ROUNDS = 5;
const MEMORY_MB = 64;
const LIMITS = { timeoutMs: 60_000, memoryMb: MEMORY_MB };
const ROOT = join(import.meta.dirname, '..');

const host: Host = {
  monotonicNow: () => performance.now(),
  wallNow: () => Date.now(),
  sleep: () => Promise.resolve(),
  fillRandom: (bytes) => void crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>),
  output: () => undefined,
  call: (interfaceName) =>
    interfaceName === 'storage'
      ? { ok: { namespace: 'counters', key: 'one', value: Buffer.from('1'), revision: 1n } }
      : { ok: undefined },
};

function request(url: string, body = '{"greeting":"hello"}'): GuestRequest {
  return {
    context: { tenantId: 't', extensionId: 'e' },
    http: {
      method: 'POST',
      url,
      headers: [{ name: 'content-type', value: 'application/json' }],
      body: Buffer.from(body),
    },
  };
}

/** The world with the imports that the guest names, as its toolchains want it: in a folder. */
async function withWit<T>(source: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-wit-'));
  try {
    for (const file of await readdir(join(ROOT, 'wit'))) {
      const text = await readFile(join(ROOT, 'wit', file), 'utf8');
      const used = text.replace(/^ +import ([a-z0-9-]+);\n/gm, (line, name: string) =>
        source.includes(`'alga:extension/${name}'`) ? line : '',
      );
      await writeFile(join(folder, file), used);
    }
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function artifactOf(component: Uint8Array, name: string): Promise<EngineArtifact> {
  return {
    contentHash: name,
    ...(await precompileComponent(component, { memoryMb: MEMORY_MB, timeoutMs: 300_000 })),
  };
}

async function quickJs(): Promise<Uint8Array> {
  const typed = await readFile(join(import.meta.dirname, 'guests', 'small', 'src', 'main.ts'), 'utf8');
  const source = stripTypeScriptTypes(typed);
  return withWit(source, async (witPath) => {
    const { component } = await componentizeQuickJs({
      witPath,
      jsSource: source,
      world: 'runner',
      sync: true,
    });
    return component;
  });
}

async function starlingMonkey(): Promise<Uint8Array> {
  const folder = join(import.meta.dirname, 'guests', 'small');
  const cacheDir = join(ROOT, 'node_modules', '.cache', 'components');
  return (await buildExample(folder, { cacheDir })).component;
}

interface Row {
  guest: string;
  what: string;
  micros: number[];
}

/** The median of a call, over rounds that take turns with the other rows. */
async function measureAll(
  rows: { guest: string; what: string; call: () => Promise<unknown>; calls: number }[],
): Promise<Row[]> {
  const measured: Row[] = rows.map(({ guest, what }) => ({ guest, what, micros: [] }));
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [index, { call, calls }] of rows.entries()) {
      const started = performance.now();
      for (let left = calls; left > 0; left -= 1) await call();
      // The first round warms the compiled code up.
      if (round > 0) measured[index]?.micros.push(((performance.now() - started) / calls) * 1_000);
    }
  }
  return measured;
}

async function main(): Promise<void> {
  const rows: Parameters<typeof measureAll>[0] = [];
  for (const [guest, build] of [
    ['StarlingMonkey', starlingMonkey],
    ['QuickJS', quickJs],
  ] as const) {
    const artifact = await artifactOf(await build(), guest);
    const rewound = createEngine();
    await rewound.load(artifact);
    const fresh = createEngine();
    const { plan } = artifact;
    await fresh.load({ ...artifact, ...(plan && { plan: { ...plan, notRewindable: 'for comparison' } }) });
    const run = (engine: typeof rewound, url: string) => async () => {
      const outcome = await engine.execute(guest, request(url), host, LIMITS);
      if (!outcome.ok) throw new Error(`${guest} ${url}: ${outcome.code}`);
    };
    rows.push(
      { guest, what: 'echo, rewound', call: run(rewound, '/echo'), calls: CALLS },
      { guest, what: 'JSON, a record and a log line, rewound', call: run(rewound, '/json'), calls: CALLS },
      { guest, what: 'echo, a new instance each', call: run(fresh, '/echo'), calls: Math.ceil(CALLS / 20) },
      { guest, what: 'fib(18), rewound', call: run(rewound, '/fib'), calls: Math.ceil(CALLS / 50) },
    );
  }
  console.table(
    (await measureAll(rows)).map(({ guest, what, micros }) => {
      const sorted = micros.sort((a, b) => a - b);
      const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
      return { guest, what, 'µs per call': Math.round(median), 'calls/s': Math.round(1e6 / median) };
    }),
  );
}

await main();
