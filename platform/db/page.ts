import type { Knex } from 'knex';
import { z } from 'zod';
import { PlatformError } from '../../core/errors.ts';

export interface PageRequest {
  /** 1 to 200. */
  limit: number;
  /** Opaque; from the page before. */
  cursor?: string | undefined;
}

export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

const rfc3339 = z.iso.datetime({ offset: true });
const position = z.tuple([z.string().min(1).max(64), z.guid()]);

/** How many rows a page looks at to find those that no index tells apart. */
const LOOKED_AT = 1_000;

/** A condition on columns of the query, in SQL with `?`. */
export type Condition = [sql: string, ...bindings: Knex.Value[]];

/** Where a page ends: times and ids are unique together. */
export interface PageOrder {
  time: string;
  id: string;
  order?: 'asc' | 'desc';
}

interface PagePosition {
  page_time: string;
  page_id: string;
}

/** One page of a query in the order of (time, id). Throws INPUT_INVALID on a cursor that is not ours. */
export async function fetchPage<Row, Item>(
  db: Knex,
  query: Knex.QueryBuilder,
  order: PageOrder,
  { limit, cursor }: PageRequest,
  toItem: (row: Row) => Item,
): Promise<Page<Item>> {
  inOrder(db, query, order, cursor);
  const rows = (await query.limit(limit + 1)) as (Row & PagePosition)[];
  const shown = rows.slice(0, limit);
  return {
    items: shown.map(toItem),
    nextCursor: encodeCursor(rows.length > limit ? shown.at(-1) : undefined),
  };
}

/**
 * The same with conditions that no index serves. A page looks at a bounded number of rows, so it may hold fewer items than asked for, or
 * none, and still have a cursor to go on from. The order's columns are named without their table.
 */
export async function fetchFilteredPage<Row, Item>(
  db: Knex,
  query: Knex.QueryBuilder,
  order: PageOrder,
  conditions: readonly Condition[],
  page: PageRequest,
  toItem: (row: Row) => Item,
): Promise<Page<Item>> {
  if (conditions.length === 0) return fetchPage(db, query, order, page, toItem);
  const { limit, cursor } = page;
  inOrder(db, query, order, cursor);
  const match = conditions.map(([sql]) => `(${sql})`).join(' and ');
  const direction = order.order ?? 'asc';
  const numbered = db(query.limit(LOOKED_AT).as('looked_at')).select('*', {
    page_match: db.raw(
      match,
      conditions.flatMap(([, ...bindings]) => bindings),
    ),
    page_row: db.raw(`row_number() over (order by ?? ${direction}, ?? ${direction})`, [order.time, order.id]),
  });
  const rows = (await db(numbered.as('numbered'))
    .where((found) => void found.where('page_match', true).orWhere('page_row', LOOKED_AT))
    .orderBy([
      { column: order.time, order: direction },
      { column: order.id, order: direction },
    ])
    .limit(limit + 1)) as (Row & PagePosition & { page_match: boolean | null; page_row: number })[];
  const matching = rows.filter((row) => row.page_match === true);
  const shown = matching.slice(0, limit);
  const end = matching.length > limit ? shown.at(-1) : rows.find((row) => row.page_row === LOOKED_AT);
  return { items: shown.map(toItem), nextCursor: encodeCursor(end) };
}

/** Orders a query, begins it after the cursor, and selects each row's position. */
function inOrder(
  db: Knex,
  query: Knex.QueryBuilder,
  { time, id, order = 'asc' }: PageOrder,
  cursor: string | undefined,
): void {
  // A timestamptz has microseconds and a Date only milliseconds: the position travels as the database's own text.
  void query.select({ page_time: db.raw('??::text', [time]), page_id: id });
  void query.orderBy([
    { column: time, order },
    { column: id, order },
  ]);
  if (cursor === undefined) return;
  const [afterTime, afterId] = decodeCursor(cursor);
  const beyond = order === 'asc' ? '>' : '<';
  void query.whereRaw(`(??, ??) ${beyond} (?::timestamptz, ?::uuid)`, [time, id, afterTime, afterId]);
  // Says no more, but to PostgreSQL, which leaves out partitions by plain comparisons only.
  void query.whereRaw(`?? ${beyond}= ?::timestamptz`, [time, afterTime]);
}

function encodeCursor(last: PagePosition | undefined): string | null {
  return last ? Buffer.from(JSON.stringify([last.page_time, last.page_id])).toString('base64url') : null;
}

/** A timestamptz as PostgreSQL writes it, such as `2026-11-21 10:00:00.123456+00`. */
function isDatabaseTime(text: string): boolean {
  const [, date, time, hours, minutes = '00'] =
    /^([1-9]\d{3}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)([+-](?:0\d|1[0-5]))(?::(\d\d))?$/.exec(text) ??
    [];
  return rfc3339.safeParse(`${String(date)}T${String(time)}${String(hours)}:${minutes}`).success;
}

function decodeCursor(cursor: string): [string, string] {
  try {
    const [time, id] = position.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
    if (!isDatabaseTime(time)) throw new RangeError('not a time');
    return [time, id];
  } catch (cause) {
    throw new PlatformError('INPUT_INVALID', 'cursor is not one this list gave out; start again without it', {
      issues: [{ path: 'cursor', code: 'invalid', message: 'unknown cursor' }],
      cause,
    });
  }
}
