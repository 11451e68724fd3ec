import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import proto from '@temporalio/proto';
import pg from 'pg';
import { SecretValue } from '../../core/secret-value.ts';
import { connectTemporal } from '../../platform/temporal/client.ts';
import { createPayloadCodec } from '../../platform/temporal/payload-codec.ts';
import type { LocalFile } from '../../starter/local-file.ts';

/** Finds what of some secrets stands in bytes: as they are, or in base64 at any of three offsets. */
export function createTracer(secrets: readonly string[]): (bytes: Uint8Array | string) => string[] {
  const traces = secrets.flatMap((secret) => [
    secret,
    ...[0, 1, 2].map((offset) =>
      Buffer.from(`${'x'.repeat(offset)}${secret}`)
        .toString('base64')
        .slice(4, -4),
    ),
  ]);
  return (bytes) => {
    const haystack = Buffer.from(bytes);
    return traces.filter((trace) => haystack.includes(trace));
  };
}

export type Tracer = ReturnType<typeof createTracer>;

export interface Searched {
  /** Where something was found, with what. */
  found: { where: string; traces: string[] }[];
  /** How many things were looked at: tables, files, payloads. */
  looked: number;
  /** Of these, how many hold what was sealed. */
  sealed: number;
}

/** Every row of every table. */
export async function searchTables(databaseUrl: string, traces: Tracer): Promise<Searched> {
  const searched: Searched = { found: [], looked: 0, sealed: 0 };
  const db = new pg.Client({ connectionString: databaseUrl });
  await db.connect();
  try {
    const { rows: tables } = await db.query<{ name: string }>(
      "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'public'",
    );
    for (const { name } of tables) {
      const { rows } = await db.query<Record<string, unknown>>(`select * from ${name}`);
      searched.looked += 1;
      if (name.endsWith('_secrets')) searched.sealed += rows.length;
      for (const value of rows.flatMap((row) => Object.values(row))) {
        note(searched, name, traces(Buffer.isBuffer(value) ? value : JSON.stringify(value ?? null)));
      }
    }
    return searched;
  } finally {
    await db.end();
  }
}

/** What the processes of a platform wrote; the names of the files are answered too. */
export function searchLogs(dataDir: string, traces: Tracer): Searched & { files: string[] } {
  const searched: Searched = { found: [], looked: 0, sealed: 0 };
  const logs = path.join(dataDir, 'logs');
  const files = readdirSync(logs);
  for (const file of files) note(searched, file, traces(readFileSync(path.join(logs, file))));
  return { ...searched, looked: files.length, files };
}

/** Every history, as it is stored and decoded. */
export async function searchHistories(
  { temporal: { address, namespace } }: Pick<LocalFile, 'temporal'>,
  payloadCodecKey: string,
  traces: Tracer,
): Promise<Searched> {
  const searched: Searched = { found: [], looked: 0, sealed: 0 };
  const codecKeys = [new SecretValue(payloadCodecKey)] as const;
  const codec = createPayloadCodec(codecKeys);
  const temporal = connectTemporal({ address, namespace, codecKeys });
  const { workflow } = temporal.client;
  const { History } = proto.temporal.api.history.v1;
  try {
    for await (const { workflowId, runId } of workflow.list()) {
      const history = await workflow.getHandle(workflowId, runId).fetchHistory();
      note(searched, workflowId, traces(History.encode(history).finish()));
      for (const payload of payloadsIn(history)) {
        const [plain] = await codec.decode([payload]);
        if (!plain?.data) continue;
        searched.looked += 1;
        note(searched, `${workflowId}, decoded`, traces(plain.data));
      }
    }
    return searched;
  } finally {
    await temporal.close();
  }
}

function note({ found }: Searched, where: string, traces: string[]): void {
  if (traces.length > 0) found.push({ where, traces });
}

interface Payload {
  metadata?: Record<string, Uint8Array> | null;
  data?: Uint8Array | null;
}

/** Every payload anywhere in a history: an object with metadata that names an encoding. */
function payloadsIn(value: unknown): Payload[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  const { metadata } = value as Payload;
  if (metadata && 'encoding' in metadata) return [value];
  return Object.values(value).flatMap(payloadsIn);
}
