import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { isPlatformError } from '../../core/errors.ts';
import { compareRewritten } from '../conformance/differential.ts';
import type { ExactValue } from '../conformance/exact-calls.ts';
import { findWasmTools } from '../support/wasm-tools.ts';

// In CI a missing generator is a failure; on a desk without cargo it is said aloud and passed over.
const wasmTools = await findWasmTools(process.env);
if (wasmTools === undefined && process.env['CI'] === undefined) {
  console.warn(
    'SKIPPED: no modules are generated for the rewriter, for there is neither wasm-tools nor cargo',
  );
}
const describeFuzz = wasmTools === undefined && process.env['CI'] === undefined ? describe.skip : describe;

/** `npm run soak` sets how long to go on, and may set another seed to begin with. */
const SOAK_MINUTES = Number(process.env['SOAK_MINUTES'] ?? 0);
const FIRST_SEED = Number(process.env['SOAK_SEED'] ?? 0);
const MODULES = 150;

const SEED_BYTES = 8192;
const SHAPE = [
  ...['--ensure-termination', '--max-imports', '0', '--max-memories', '1', '--min-memories', '1'],
  ...['--min-funcs', '3', '--min-globals', '3', '--max-data-segments', '6', '--max-table-elements', '100'],
  ...[
    '--max-memory32-bytes',
    '4000000',
    '--wide-arithmetic-enabled',
    'false',
    '--export-everything',
    'true',
    '--canonicalize-nans',
    'true',
  ],
  ...['gc', 'exceptions', 'memory64', 'threads', 'relaxed-simd'].flatMap((name) => [
    `--${name}-enabled`,
    'false',
  ]),
];
const EDGES = [0n, 1n, 4095n, 4096n, 65_535n, 65_536n, 2n ** 31n, 2n ** 32n - 1n];

function randomBytes(seed: string, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, nth) =>
    createHash('sha256').update(`${seed} ${nth}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

function generate(generator: string, seed: number): Uint8Array {
  // Every other module is made so that it does not trap, and gets further.
  const args = ['smith', ...SHAPE, '--disallow-traps', String(seed % 2 === 0)];
  const { status, stdout, stderr } = spawnSync(generator, args, {
    input: randomBytes(String(seed), SEED_BYTES),
  });
  if (status !== 0) throw new Error(`seed ${seed}: ${stderr.toString()}`);
  return new Uint8Array(stdout);
}

function createArguments(seed: number): (type: string) => ExactValue {
  let made = 0;
  return (type) => {
    made += 1;
    const random = randomBytes(`${seed} argument ${made}`, 32);
    const number = (at: number): bigint => {
      const bits = random.readBigUInt64LE(at);
      return bits % 2n === 0n ? (EDGES[Number(bits % 7n)] ?? 0n) : bits;
    };
    if (type === 'v128') return { type, lane_type: 'i64', value: [number(0), number(8)].map(String) };
    if (type.endsWith('ref')) return { type, value: 'null' };
    return { type, value: String(BigInt.asUintN(type.endsWith('32') ? 32 : 64, number(16))) };
  };
}

describeFuzz('generated modules, rewritten', () => {
  it(
    'do what they did, mark what they write and can be rewound',
    () => {
      if (wasmTools === undefined)
        throw new Error('install cargo or set WASM_TOOLS: the fuzz must run in CI');
      const totals = { modules: 0, refused: 0, same: 0, traps: 0, rewinds: 0 };
      const until = performance.now() + SOAK_MINUTES * 60_000;
      for (let nth = 0; nth < MODULES || performance.now() < until; nth += 1) {
        const seed = FIRST_SEED + nth;
        const module = generate(wasmTools, seed);
        totals.modules += 1;
        try {
          const { differences, same, traps, rewinds } = compareRewritten(module, createArguments(seed));
          expect({ seed, differences }).toEqual({ seed, differences: [] });
          totals.same += same;
          totals.traps += traps;
          totals.rewinds += rewinds;
        } catch (error) {
          if (!isPlatformError(error)) throw error;
          totals.refused += 1;
        }
      }
      console.log(`generated modules: ${JSON.stringify(totals)}`);
      expect(totals.refused).toBeLessThan(totals.modules / 10);
      expect(totals.same - totals.traps).toBeGreaterThan(totals.modules);
      expect(totals.rewinds).toBeGreaterThan(totals.modules / 4);
    },
    SOAK_MINUTES * 60_000 + 300_000,
  );
});
