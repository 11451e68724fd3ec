import type { Evidence, ExecutionRow } from '../evidence.ts';
import { promiseOf, requestIdOf, type Sent } from '../record.ts';
import { each, together, type Invariant } from './invariant.ts';

const SHARED = 'shared';
/** An end that is written after its answer may be lost with the gateway or the database until this much later. */
const END_WRITTEN_WITHIN_MS = 15_000;

const ofKind = ({ sent }: Evidence, ...kinds: Sent['kind'][]): Sent[] =>
  sent.filter(({ kind }) => kinds.includes(kind));

/** What the extension has counted under a key, 0 if there is no record. */
function countOf({ records }: Evidence, tenantId: string, key: string): number {
  return records
    .filter((record) => record.tenantId === tenantId && record.key === key)
    .reduce((sum, { value }) => sum + Number(value), 0);
}

export const answeredCallsRanOnce: Invariant = {
  name: 'a call answered 200 ran exactly once, and its effect is there',
  check: (evidence) =>
    each(
      ofKind(evidence, 'call').filter(({ status }) => status === 200),
      ({ tenantId, mark, answer }) => {
        const counted = countOf(evidence, tenantId, mark);
        if (counted !== 1) return `its counter is ${counted}`;
        const { count } = answer as { count?: unknown };
        return count === 1 ? undefined : `it was told ${String(count)}`;
      },
    ),
};

export const lostCallsRanAtMostOnce: Invariant = {
  name: 'a call whose outcome is unknown ran at most once',
  check: (evidence) =>
    each(
      ofKind(evidence, 'call').filter((sent) => promiseOf(sent) === 'unknown'),
      ({ tenantId, mark }) => {
        const counted = countOf(evidence, tenantId, mark);
        return counted <= 1 ? undefined : `its counter is ${counted}`;
      },
    ),
};

export const refusedCallsDidNotRun: Invariant = {
  name: 'a call answered 4xx or 503 did not run',
  check: (evidence) =>
    each(
      ofKind(evidence, 'call').filter((sent) => promiseOf(sent) === 'refused'),
      ({ tenantId, mark }) => {
        const counted = countOf(evidence, tenantId, mark);
        return counted === 0 ? undefined : `its counter is ${counted}`;
      },
    ),
};

export const sharedCountersAddUp: Invariant = {
  name: 'a counter that many count up loses none and doubles none',
  check(evidence) {
    const calls = ofKind(evidence, 'count');
    const told = (sent: Sent): number => (sent.answer as { count: number }).count;
    return each([...new Set(calls.map(({ tenantId }) => tenantId))], (tenantId) => {
      const own = calls.filter((sent) => sent.tenantId === tenantId);
      const counts = own.filter(({ status }) => status === 200).map(told);
      const unknown = own.filter((sent) => promiseOf(sent) === 'unknown').length;
      const counted = evidence.records
        .filter((record) => record.tenantId === tenantId && record.key.endsWith(`.${SHARED}`))
        .reduce((sum, { value }) => sum + Number(value), 0);
      if (new Set(counts).size !== counts.length) return `two calls were told the same count`;
      if (counted < counts.length || counted > counts.length + unknown) {
        return `it is ${counted} after ${counts.length} answered calls and ${unknown} of unknown outcome`;
      }
      return counts.every((count) => count <= counted)
        ? undefined
        : `a call was told more than the ${counted} it is`;
    });
  },
};

export const answersAreOnesOwn: Invariant = {
  name: 'an answer is to what was asked, and the own tenant’s',
  check: (evidence) =>
    together(
      each(
        ofKind(evidence, 'call', 'count').filter(({ status }) => status === 200),
        ({ tenantId, answer }) => {
          const { tenant } = answer as { tenant?: unknown };
          return tenant === tenantId ? undefined : `it ran as ${String(tenant)}`;
        },
      ),
      each(
        ofKind(evidence, 'echo').filter(({ status }) => status === 200),
        ({ json, answer }) =>
          JSON.stringify(answer) === JSON.stringify(json) ? undefined : 'another body came back',
      ),
    ),
};

export const executionRowsAgree: Invariant = {
  name: 'the row of an execution says what its caller was told',
  check(evidence) {
    const rows = Map.groupBy(evidence.executions, ({ requestId }) => requestId);
    return each(ofKind(evidence, 'call', 'count', 'echo'), (sent) => {
      const [row, ...more] = rows.get(requestIdOf(sent.n)) ?? [];
      if (more.length > 0) return `there are ${more.length + 1} rows`;
      return disagreement(evidence, sent, row);
    });
  },
};

function disagreement(evidence: Evidence, sent: Sent, row: ExecutionRow | undefined): string | undefined {
  if (sent.status === undefined) return undefined;
  const wasDisturbed = evidence.disturbed.some(
    ({ target, at, until }) =>
      (target === 'gateway' || target === 'postgres') &&
      at < sent.answeredAt + END_WRITTEN_WITHIN_MS &&
      until > sent.at,
  );
  const may = statusesFor(sent);
  if (!row) return may.includes('none') ? undefined : 'there is no row';
  // What the end-write was lost of is not known, and says so.
  if (wasDisturbed && (row.status === 'running' || row.status === 'interrupted')) return undefined;
  return may.includes(row.status)
    ? undefined
    : `its row is ${row.status}, ${row.errorCode ?? 'without a code'}`;
}

/** Of the row; `none`: there need be none. */
function statusesFor({ status = 0, code }: Sent): string[] {
  if (status < 400) return ['succeeded'];
  if (code === 'OUTCOME_UNKNOWN') return ['interrupted'];
  return status === 502 || status === 504 ? ['failed'] : ['none', 'failed'];
}

export const workGoesOn: Invariant = {
  name: 'once the storm is over, calls and changes of config are done at once',
  check: (evidence) =>
    each(
      ofKind(evidence, 'call', 'config').filter(({ about }) => about['when'] === 'after'),
      ({ status, code }) => (status === 200 ? undefined : `it answered ${status ?? 'nothing'} ${code ?? ''}`),
    ),
};
