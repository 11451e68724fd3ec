import type { Knex } from 'knex';
import type pg from 'pg';
import { loadDatabaseUrl } from '../platform/config/environment.ts';
import { openDatabase } from '../platform/db/database.ts';
import { hotQueries } from './hot-queries/index.ts';
import type { HotQuery } from './hot-queries/hot-query.ts';

// What the stores' own statements cost on a database that fill-database.ts filled: PostgreSQL's auto_explain tells how it ran each of them,
// which needs a superuser. Everything runs in transactions that are rolled back.

/** A connection plans a named statement for good after five runs. */
const WARM_UPS = 7;
const TIMED = 9;
/** Reading all of a table this small is as good as an index. */
const SMALL_TABLE = 1_000;

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  'Rows Removed by Join Filter'?: number;
  'Shared Hit Blocks'?: number;
  'Shared Read Blocks'?: number;
  Plans?: Plan[];
}

/** What one call of a store cost. */
export interface Explained {
  name: string;
  /** How it reached its rows: indexes, or tables it read whole. */
  access: string[];
  /** Rows it looked at, small tables that it read whole apart. */
  rows: number;
  buffers: number;
  /** The best of warm calls, round trips included: what others do on the machine is no cost of the query. */
  ms: number;
  /** Empty if it reads what it answers. */
  faults: string[];
}

interface Connections {
  acquireConnection(): Promise<pg.Client>;
  releaseConnection(connection: pg.Client): Promise<void>;
}

/** `db` has one connection: PostgreSQL tells plans to the connection that ran them. */
export async function explainQueries(
  db: Knex,
  queries: readonly HotQuery[],
  timed = TIMED,
): Promise<Explained[]> {
  const plans: Plan[] = [];
  const pool = db.client as Connections;
  const connection = await pool.acquireConnection();
  const keepPlan = ({ message }: { message?: string | undefined }): void => {
    const json = /plan:\s*(\{[\s\S]*\})/.exec(message ?? '')?.[1];
    if (json !== undefined) plans.push((JSON.parse(json) as { Plan: Plan }).Plan);
  };
  connection.on('notice', keepPlan);
  await pool.releaseConnection(connection);
  await db.raw(`
    load 'auto_explain';
    set auto_explain.log_min_duration = -1; set auto_explain.log_analyze = on; set auto_explain.log_buffers = on;
    set auto_explain.log_timing = off; set auto_explain.log_format = json; set client_min_messages = log`);
  const small = await smallTables(db);
  const explained: Explained[] = [];
  for (const query of queries) {
    for (let i = 0; i < WARM_UPS; i++) await undone(db, query.run);
    const times: number[] = [];
    for (let i = 0; i < timed; i++) times.push(await undone(db, query.run));
    plans.length = 0;
    await undone(db, async (trx) => {
      await trx.raw('set local auto_explain.log_min_duration = 0');
      plans.length = 0; // that of the statement before among them
      await query.run(trx);
    });
    explained.push({ ...costOf(query, plans, small), ms: Math.min(...times) });
  }
  connection.off('notice', keepPlan);
  return explained;
}

/** Milliseconds of the work without the transaction around it. */
async function undone(db: Knex, work: (trx: Knex) => Promise<unknown>): Promise<number> {
  const trx = await db.transaction();
  try {
    const started = performance.now();
    await work(trx);
    return performance.now() - started;
  } finally {
    await trx.rollback();
  }
}

/** Tables without enough rows to have a use for an index. */
async function smallTables(db: Knex): Promise<Set<string>> {
  const names = await db('pg_class')
    .where('relkind', 'r')
    .where('reltuples', '<', SMALL_TABLE)
    .pluck<string[]>('relname');
  return new Set(names);
}

function costOf(query: HotQuery, plans: readonly Plan[], small: ReadonlySet<string>): Omit<Explained, 'ms'> {
  const scans = plans
    .flatMap(nodesOf)
    .filter((node) => /Scan$/.test(node['Node Type']) && node['Actual Loops'] !== 0)
    .map((node) => ({ ...node, table: node['Relation Name'], index: node['Index Name'] }));
  // A bitmap is made by one node, which knows the index, and read by another, which knows the table.
  const read = scans.filter(({ table }) => table !== undefined);
  const whole = read.filter((node) => node['Node Type'] === 'Seq Scan');
  const rows = Math.round(
    read
      .filter((node) => node['Node Type'] !== 'Seq Scan' || !small.has(node.table ?? ''))
      .reduce((sum, node) => sum + touchedBy(node), 0),
  );
  const tables = [...new Set(whole.map(({ table }) => table ?? ''))];
  const indexes = scans.map(({ index }) => index).filter((index) => index !== undefined);
  return {
    name: query.name,
    access: [...new Set([...tables.map((table) => `all of ${table}`), ...indexes].map(withoutDay))],
    rows,
    buffers: plans.reduce(
      (sum, plan) => sum + (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0),
      0,
    ),
    faults: [
      ...(rows > query.rows ? [`reads ${rows} rows to answer ${query.rows}`] : []),
      ...tables.filter((table) => !small.has(table)).map((table) => `reads all of ${table}`),
      ...(plans.length === 0 ? ['ran no statement'] : []),
    ],
  };
}

/** One name for what is the same in every partition. */
function withoutDay(name: string): string {
  return name.replace(/_\d{4,}(?=_|$)/, '').replace(/_idx\d+$/, '_idx');
}

function nodesOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

/** Counts are averages per loop. */
function touchedBy(node: Plan): number {
  const perLoop =
    (node['Actual Rows'] ?? 0) +
    (node['Rows Removed by Filter'] ?? 0) +
    (node['Rows Removed by Index Recheck'] ?? 0);
  return perLoop * (node['Actual Loops'] ?? 0);
}

function line({ name, rows, buffers, ms, access, faults }: Explained, owes: string | undefined): string {
  const said =
    faults.length > 0 ? `  <-- ${faults.join('; ')}${owes === undefined ? '' : ` (owes ${owes})`}` : '';
  return `${name.padEnd(60)} ${String(rows).padStart(6)} ${String(buffers).padStart(8)} ${ms.toFixed(2).padStart(8)}  ${access.join(', ')}${said}`;
}

async function main(): Promise<void> {
  const url = loadDatabaseUrl(process.env);
  const db = openDatabase({ url, poolMax: 1 });
  try {
    const queries = hotQueries();
    const explained = await explainQueries(db, queries);
    console.log(
      `${'query'.padEnd(60)} ${'rows'.padStart(6)} ${'buffers'.padStart(8)} ${'ms best'.padStart(8)}  reached by`,
    );
    const owed = new Map(queries.map(({ name, owes }) => [name, owes]));
    for (const one of explained) console.log(line(one, owed.get(one.name)));
    const faulty = explained.filter(({ name, faults }) => faults.length > 0 && owed.get(name) === undefined);
    console.log(`${explained.length} queries, ${faulty.length} read more than they answer`);
    process.exitCode = faulty.length > 0 ? 1 : 0;
  } finally {
    await db.destroy();
  }
}

if (import.meta.main) await main();
