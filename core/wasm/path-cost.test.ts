import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { describe, expect, it } from '@jest/globals';
import { RewrittenHost } from '../../test/support/rewritten-host.ts';
import { formatModule, runFlow, type Flow } from '../../test/support/wasm-paths.ts';
import { rewriteModules } from './rewrite.ts';
import { fc } from '../../test/support/properties.ts';

/** Starts a module and tells what a call of its `run` takes. */
async function meter(wat: string): Promise<(argument: bigint | number) => number> {
  const { modules } = rewriteModules({ m: await parse(wat) }, { memoryMb: 4 });
  const host = new RewrittenHost();
  const { exports } = host.instantiate(new WebAssembly.Module(modules['m'] ?? new Uint8Array()));
  const run = exports['run'] as (argument: bigint | number) => void;
  return (argument) => {
    const before = host.fuelUsed;
    run(argument);
    return host.fuelUsed - before;
  };
}

/** A loop of so many turns, with this in each. */
const loopOf = (body: string): string => `(module (func (export "run") (param $turns i32)
  (loop $head ${body}
    (br_if $head (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))))`;

const DIVISIONS = '(drop (i64.div_u (i64.const 9) (i64.const 3)))'.repeat(1000);
/** A division costs 8, and three simple instructions are around it. */
const UNITS_OF_DIVISIONS = (1000 * 11) / 128;
const NOPS = 'nop '.repeat(100);

describe('what a long path costs', () => {
  it.each([
    ['alone', DIVISIONS],
    ['behind the end of a block that is left at once', `block br 0 end ${DIVISIONS}`],
    ['before which code is left out', `block br 0 ${NOPS.repeat(9)} end ${DIVISIONS}`],
    ['behind br_if', `block local.get $turns br_if 0 end ${DIVISIONS}`],
    ['behind a br_if that is not taken', `block local.get $turns i32.eqz br_if 0 ${DIVISIONS} end`],
    ['behind br_table', `block block block local.get $turns br_table 2 0 1 end end ${DIVISIONS} end`],
    ['in a then', `local.get $turns if ${DIVISIONS} end`],
    ['in an else', `local.get $turns i32.eqz if else ${DIVISIONS} end`],
    ['in an else whose then returns', `local.get $turns i32.eqz if return else ${DIVISIONS} end`],
    ['cut by many ends', DIVISIONS.replaceAll('(drop', 'block br 0 end (drop')],
  ])('is counted: a thousand divisions %s', async (_where, body) => {
    // All turns but the last one or two, which some of these do not divide in.
    const used = (await meter(loopOf(body)))(50);
    expect(used).toBeGreaterThan(48 * UNITS_OF_DIVISIONS);
    expect(used).toBeLessThan(51 * (UNITS_OF_DIVISIONS * 1.2 + 10));
  });

  it('is counted exactly where there is one path', async () => {
    const used = await Promise.all(
      [0, 128, 129, 256, 257, 12_800].map(async (count) =>
        (await meter(`(module (func (export "run") (param i32) ${'nop '.repeat(count)}))`))(0),
      ),
    );
    // A function so short is not charged for.
    expect(used).toEqual([0, 1, 2, 2, 3, 100]);
  });

  it('is nothing for the cases of a switch that do not run', async () => {
    const cases = 300;
    const labels = Array.from({ length: cases }, (_none, label) => label).join(' ');
    const interpreter = loopOf(
      `(block $next ${'block '.repeat(cases)} local.get $turns br_table ${labels} end ` +
        `${`${NOPS} br $next end `.repeat(cases - 1)})`,
    );
    expect((await meter(interpreter))(250)).toBe(1 + 250);
  });

  it('counts what is called and not charged for itself, also where that calls others', async () => {
    const leaf = '(func $leaf (drop (i32.const 1)) (drop (i32.const 2)) (drop (i32.const 3)))';
    const through = '(func $through (call $leaf) (call $leaf))';
    const run = await meter(
      `(module ${leaf} ${through} (func (export "run") (param i32) ${'(call $through)'.repeat(100)}))`,
    );
    // Eight calls of 15 between two charges.
    expect(run(0)).toBe(1 + Math.floor(99 / 8));
  });
});

/** `depth` blocks are around it, the function's body included. */
function arbitraryFlows(depth: number): fc.Arbitrary<Flow[]> {
  const label = fc.nat({ max: depth - 1 });
  const leaf: fc.Arbitrary<Flow> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('work' as const), instructions: fc.nat(300) }) },
    fc.record({ kind: fc.constant('divide' as const), times: fc.nat(30) }),
    fc.record({ kind: fc.constant('call' as const) }),
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('branch' as const),
        label,
        when: fc.constantFrom('if' as const, 'if' as const, 'always' as const),
      }),
    },
    fc.record({
      kind: fc.constant('table' as const),
      labels: fc.array(label, { minLength: 1, maxLength: 4 }),
    }),
    fc.record({ kind: fc.constant('return' as const) }),
  );
  if (depth > 4) return fc.array(leaf, { maxLength: 4 });
  const body = arbitraryFlows(depth + 1);
  const nested: fc.Arbitrary<Flow> = fc.oneof(
    fc.record({ kind: fc.constantFrom('block' as const, 'loop' as const), body }),
    fc.record({
      kind: fc.constant('if' as const),
      then: body,
      otherwise: fc.option(body, { nil: undefined }),
    }),
  );
  return fc.array(fc.oneof(leaf, { weight: 2, arbitrary: nested }), { maxLength: 6 });
}

describe('any path', () => {
  it('is charged for what it ran, and at most once more where others join it', async () => {
    const seen = { paths: 0, long: 0 };
    await fc.assert(
      fc.asyncProperty(
        arbitraryFlows(1),
        fc.array(fc.bigInt(0n, 2n ** 64n - 1n), { minLength: 8, maxLength: 8 }),
        async (body, paths) => {
          // Long enough to be charged for at its entry.
          const flows: Flow[] = [{ kind: 'work', instructions: 100 }, ...body];
          const measured = paths.flatMap((bits) => ({ bits, ran: runFlow(flows, bits) }));
          const run = await meter(formatModule(flows));
          for (const { bits, ran } of measured) {
            if (!ran) continue;
            seen.paths += 1;
            if (ran.cost > 512) seen.long += 1;
            const used = run(BigInt.asIntN(64, bits));
            const least = ran.cost / 128;
            // More than half of 128 lies between two charges, unless a loop begins there or a costlier path joins.
            const most = ran.heads + ran.joins + ran.cost / 64;
            expect({ bits, isLeast: used >= least, isMost: used <= most, used, ran }).toMatchObject({
              isLeast: true,
              isMost: true,
            });
          }
        },
      ),
      { numRuns: 150 },
    );
    expect(seen.long).toBeGreaterThan(100);
  });
});
