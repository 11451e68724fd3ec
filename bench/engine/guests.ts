import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { componentEmbed, componentNew, parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { decodeComponent } from '../../core/component/decode.ts';
import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { readWit } from '../../platform/component/check-world-types.ts';
import { precompileComponent } from '../../platform/component/precompile.ts';
import { createEngine } from '../../runner/engine/create-engine.ts';
import type { EngineArtifact, GuestOutcome, GuestRequest, Host } from '../../runner/engine/engine.ts';
import { buildExample } from '../../scripts/build-example.ts';
import type { GuestEngine } from '../../scripts/componentize.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const GUESTS = join(ROOT, 'bench', 'guests');
const MEMORY_MB = 64;

/** One component in the forms that are compared. */
export interface Guest {
  name: string;
  component: Uint8Array;
  /** As a publish makes it: metered, marked, rewound. */
  rewound: PrecompiledArtifact;
  /** The same, but with a new instance for each call. */
  renewed: EngineArtifact;
  /** The core modules as the toolchain made them, linked by the same plan, with a new instance for each call. */
  plain: EngineArtifact;
}

export type GuestName = 'StarlingMonkey' | 'QuickJS' | 'sieve';

export async function buildGuest(name: GuestName): Promise<Guest> {
  const component = await COMPONENTS[name]();
  const made = await precompileComponent(component, { memoryMb: MEMORY_MB, timeoutMs: 300_000 });
  const { plan } = made;
  if (!plan || plan.notRewindable !== undefined) throw new Error(`${name} is a guest that can be rewound`);
  const rewound = { contentHash: name, ...made };
  const coreModules = Object.fromEntries(
    decodeComponent(component).modules.map((bytes, index) => [plan.modules[index] ?? '', bytes]),
  );
  const notRewound = { plan: { ...plan, notRewindable: 'for comparison' } };
  return {
    name,
    component,
    rewound,
    renewed: { ...rewound, ...notRewound },
    plain: { ...rewound, coreModules, ...notRewound },
  };
}

const COMPONENTS: Record<GuestName, () => Promise<Uint8Array>> = {
  StarlingMonkey: () => buildSmall('starlingmonkey'),
  QuickJS: () => buildSmall('quickjs'),

  async sieve() {
    const binary = await parse(await readFile(join(GUESTS, 'sieve.wat'), 'utf8'));
    const witSource = (await readWit()).replace(/^ +import [a-z0-9-]+;\n/gm, '');
    return componentNew(await componentEmbed({ binary, witSource, world: 'runner' }), []);
  },
};

/** As authors build theirs. */
async function buildSmall(engine: GuestEngine): Promise<Uint8Array> {
  const cacheDir = join(ROOT, 'node_modules', '.cache', 'components');
  return (await buildExample(join(GUESTS, 'small'), { cacheDir, engine })).component;
}

const RECORD = { ok: { namespace: 'counters', key: 'one', value: Buffer.from('1'), revision: 1n } };

/** Answers storage at once, or as late as storage is. */
export function createHost(storageTakes?: () => Promise<unknown>): Host {
  return {
    monotonicNow: () => performance.now(),
    wallNow: () => Date.now(),
    sleep: () => Promise.resolve(),
    fillRandom: (bytes) => void crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>),
    output: () => undefined,
    call(interfaceName) {
      if (interfaceName !== 'storage') return { ok: undefined };
      return storageTakes ? storageTakes().then(() => RECORD) : RECORD;
    },
  };
}

export function requestOf(url: string): GuestRequest {
  return {
    context: { tenantId: 't', extensionId: 'e' },
    http: {
      method: 'POST',
      url,
      headers: [{ name: 'content-type', value: 'application/json' }],
      body: Buffer.from('{"greeting":"hello"}'),
    },
  };
}

interface CallOptions {
  host?: Host;
  timeoutMs?: number;
  /** The name of an instance that keeps its state, for all calls of that name. */
  sharedInstance?: string;
}

/** An engine of its own with one component; each call is answered however it ends. */
export async function start(
  artifact: EngineArtifact,
): Promise<(url: string, options?: CallOptions) => Promise<GuestOutcome>> {
  const engine = createEngine();
  await engine.load(artifact);
  const plainHost = createHost();
  return (url, { host = plainHost, timeoutMs = 60_000, sharedInstance } = {}) => {
    const limits = { timeoutMs, memoryMb: MEMORY_MB };
    return engine.execute(artifact.contentHash, requestOf(url), host, limits, sharedInstance);
  };
}

export async function mustSucceed(
  outcome: Promise<GuestOutcome>,
): Promise<Extract<GuestOutcome, { ok: true }>> {
  const ended = await outcome;
  if (!ended.ok) throw new Error(`the guest ended with ${ended.code}: ${ended.message}`);
  return ended;
}
