import type { StormReport } from './storm.ts';

const SHOWN = 5;

/** The storm in tables: work, disturbances, answers, invariants; then the first violations of each, with their evidence. */
export function printReport({ evidence, findings }: StormReport): void {
  const { sent, disturbed, roles } = evidence;
  const met = disturbed.filter(({ pid }) => pid !== undefined);
  console.log(
    `\n${sent.length} requests, ${met.length} disturbances (${disturbed.length - met.length} met nobody)`,
  );
  console.table(
    tally(
      met,
      ({ target }) => target,
      ({ freezeMs }) => (freezeMs === undefined ? 'killed' : 'frozen'),
    ),
  );
  console.table(
    tally(
      sent,
      ({ kind }) => kind,
      ({ status, code }) => [status ?? 'no answer', code].filter(Boolean).join(' '),
    ),
  );
  console.table(
    Object.fromEntries(
      roles.map(({ name, pid, residentBytes, openFiles }) => [
        name,
        { pid, MiB: Math.round(residentBytes / 1024 ** 2), 'open files': openFiles },
      ]),
    ),
  );
  for (const { name, count, violations } of findings) {
    console.log(`${violations.length === 0 ? '  ok ' : 'FAIL '} ${name} (${count} checked)`);
    for (const { what, evidence: found } of violations.slice(0, SHOWN)) {
      console.log(`       ${what}\n         ${JSON.stringify(found)}`);
    }
    if (violations.length > SHOWN) console.log(`       and ${violations.length - SHOWN} more`);
  }
}

/** Counts by row and column. */
function tally<Item>(
  items: readonly Item[],
  row: (item: Item) => string,
  column: (item: Item) => string,
): Record<string, Record<string, number>> {
  const table: Record<string, Record<string, number>> = {};
  for (const item of items) {
    const cells = (table[row(item)] ??= {});
    cells[column(item)] = (cells[column(item)] ?? 0) + 1;
  }
  return table;
}
