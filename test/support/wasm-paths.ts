/** Control flow of a small function, as a tree. Conditions and choices are bits of its parameter, the lowest first. */
export type Flow =
  | { kind: 'work'; instructions: number }
  | { kind: 'divide'; times: number }
  | { kind: 'call' }
  | { kind: 'block'; body: Flow[] }
  | { kind: 'loop'; body: Flow[] }
  | { kind: 'if'; then: Flow[]; otherwise: Flow[] | undefined }
  | { kind: 'branch'; label: number; when: 'always' | 'if' }
  | { kind: 'table'; labels: number[] }
  | { kind: 'return' };

/** What a path through it ran: the least and most it may be charged follow from that. */
export interface Ran {
  /** In simple instructions. */
  cost: number;
  /** Turns of loops, and the entry. */
  heads: number;
  /** Places where paths meet. */
  joins: number;
}

const DIVISION = '(drop (i64.div_u (i64.const 7) (i64.const 3)))';
const DIVISION_COST = 8 + 3;
const BIT =
  '(i32.wrap_i64 (i64.and (local.get 0) (i64.const 1))) (local.set 0 (i64.shr_u (local.get 0) (i64.const 1)))';
const BIT_COST = 8;
const CALLED_INSTRUCTIONS = 20;

/** A module that exports it as `run`, which takes the bits. */
export function formatModule(body: readonly Flow[]): string {
  const called = `(func $called ${'nop '.repeat(CALLED_INSTRUCTIONS)})`;
  return `(module ${called} (func (export "run") (param i64) ${formatAll(body)}))`;
}

const formatAll = (body: readonly Flow[]): string => body.map(format).join('\n');

function format(flow: Flow): string {
  switch (flow.kind) {
    case 'work':
      return 'nop '.repeat(flow.instructions);
    case 'divide':
      return DIVISION.repeat(flow.times);
    case 'call':
      return 'call $called';
    case 'block':
    case 'loop':
      return `${flow.kind} ${formatAll(flow.body)} end`;
    case 'if':
      return `${BIT} if ${formatAll(flow.then)} ${flow.otherwise ? `else ${formatAll(flow.otherwise)}` : ''} end`;
    case 'branch':
      return flow.when === 'if' ? `${BIT} br_if ${flow.label}` : `br ${flow.label}`;
    case 'table':
      return `${BIT} br_table ${flow.labels.join(' ')}`;
    case 'return':
      return 'return';
  }
}

const MAXIMUM_HEADS = 1_000;

/** Runs it as naively as can be; undefined if it seems not to end. */
export function runFlow(body: readonly Flow[], bits: bigint): Ran | undefined {
  const ran: Ran = { cost: 0, heads: 1, joins: 0 };
  let left = bits;
  const takeBit = (): number => {
    const bit = Number(left & 1n);
    left >>= 1n;
    ran.cost += BIT_COST;
    return bit;
  };

  /** How many blocks out it goes on; -1 if after the last of these. */
  const runAll = (flows: readonly Flow[]): number => {
    for (const flow of flows) {
      const out = run(flow);
      if (out >= 0) return out;
    }
    return -1;
  };
  /** Past the end of a block, with what its body said. */
  const leave = (out: number): number => {
    if (out <= 0) ran.joins += 1;
    return out <= 0 ? -1 : out - 1;
  };
  const run = (flow: Flow): number => {
    switch (flow.kind) {
      case 'work':
        ran.cost += flow.instructions;
        return -1;
      case 'divide':
        ran.cost += flow.times * DIVISION_COST;
        return -1;
      case 'call':
        ran.cost += 1 + CALLED_INSTRUCTIONS;
        return -1;
      case 'block':
        return leave(runAll(flow.body));
      case 'loop':
        for (;;) {
          ran.heads += 1;
          if (ran.heads > MAXIMUM_HEADS) return Number.MAX_SAFE_INTEGER;
          const out = runAll(flow.body);
          if (out !== 0) return leave(out);
        }
      case 'if': {
        const isThen = takeBit() === 1;
        ran.cost += 1;
        return leave(runAll(isThen ? flow.then : (flow.otherwise ?? [])));
      }
      case 'branch': {
        const isTaken = flow.when === 'always' || takeBit() === 1;
        ran.cost += 1;
        return isTaken ? flow.label : -1;
      }
      case 'table': {
        const chosen = flow.labels[Math.min(takeBit(), flow.labels.length - 1)] ?? 0;
        ran.cost += 1;
        return chosen;
      }
      case 'return':
        ran.cost += 1;
        return Number.MAX_SAFE_INTEGER;
    }
  };
  runAll(body);
  return ran.heads > MAXIMUM_HEADS ? undefined : ran;
}
