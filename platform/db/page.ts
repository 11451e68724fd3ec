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

const position = z.tuple([z.string().min(1).max(64), z.uuid()]);

/** One page of a query in the order of (time, id), which are unique together. Throws INPUT_INVALID on a cursor that is not ours. */
export async function fetchPage<Row, Item>(
  db: Knex,
  query: Knex.QueryBuilder,
  { time, id, order = 'asc' }: { time: string; id: string; order?: 'asc' | 'desc' },
  { limit, cursor }: PageRequest,
  toItem: (row: Row) => Item,
): Promise<Page<Item>> {
  // A timestamptz has microseconds and a Date only milliseconds: the position travels as the database's own text.
  void query.select({ page_time: db.raw('??::text', [time]), page_id: id }).limit(limit + 1);
  void query.orderBy([
    { column: time, order },
    { column: id, order },
  ]);
  if (cursor !== undefined) {
    const after = decodeCursor(cursor);
    void query.whereRaw(`(??, ??) ${order === 'asc' ? '>' : '<'} (?::timestamptz, ?::uuid)`, [
      time,
      id,
      ...after,
    ]);
  }
  const rows = (await query) as (Row & { page_time: string; page_id: string })[];
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return {
    items: shown.map(toItem),
    nextCursor: last
      ? Buffer.from(JSON.stringify([last.page_time, last.page_id])).toString('base64url')
      : null,
  };
}

function decodeCursor(cursor: string): [string, string] {
  try {
    const [time, id] = position.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
    if (Number.isNaN(Date.parse(time.replace(/([+-]\d\d)$/, '$1:00')))) throw new RangeError('not a time');
    return [time, id];
  } catch (cause) {
    throw new PlatformError('INPUT_INVALID', 'cursor is not one this list gave out; start again without it', {
      issues: [{ path: 'cursor', code: 'invalid', message: 'unknown cursor' }],
      cause,
    });
  }
}
