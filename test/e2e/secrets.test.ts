import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import proto from '@temporalio/proto';
import pg from 'pg';
import { z } from 'zod';
import { SecretValue } from '../../core/secret-value.ts';
import { connectTemporal } from '../../platform/temporal/client.ts';
import { createPayloadCodec } from '../../platform/temporal/payload-codec.ts';
import { bundleOf, expectStatus, install, publish } from '../support/extensions.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';

const SECRETS = ['value-set-with-the-install-7319', 'value-set-afterwards-4482'] as const;
/** A secret may hide as it is or in base64, at any of three offsets. */
const traces = SECRETS.flatMap((secret) => [
  secret,
  ...[0, 1, 2].map((offset) =>
    Buffer.from(`${'x'.repeat(offset)}${secret}`)
      .toString('base64')
      .slice(4, -4),
  ),
]);
const tracesIn = (bytes: Uint8Array | string): string[] => {
  const haystack = Buffer.from(bytes);
  return traces.filter((trace) => haystack.includes(trace));
};

describe('a secret set through the API', () => {
  let platform: TestPlatform;
  const responses: string[] = [];

  beforeAll(async () => {
    platform = await startPlatform();
    const { admin } = platform.local.keys;
    const bundle = await bundleOf('hello', {
      name: 'secretive',
      secrets: [{ name: 'API_TOKEN', description: 'Token of a service', required: true }],
    });
    expectStatus(await publish(platform, admin, bundle), 201);
    const installed = await install(platform, admin, {
      extension: 'alga.secretive',
      secrets: { API_TOKEN: SECRETS[0] },
    });
    expectStatus(installed, 201);
    const { installId } = z.object({ installId: z.uuid() }).parse(installed.json);
    const route = `/api/v1/installs/${installId}`;
    const requests: [string, string, unknown][] = [
      ['PUT', `${route}/secrets`, { API_TOKEN: SECRETS[1] }],
      ['PUT', `${route}/secrets`, { API_TOKEN: SECRETS[1], NOT_DECLARED: SECRETS[1] }], // refused, and logged as such
      ['PUT', `${route}/secrets`, [SECRETS[1]]],
      ['GET', `${route}/secrets`, undefined],
      ['GET', route, undefined],
      ['GET', '/api/v1/installs', undefined],
      ['GET', '/api/ext/alga.secretive/hello/x', undefined],
    ];
    responses.push(installed.text);
    for (const [method, url, json] of requests) {
      const answer = await platform.request(method, url, {
        key: admin,
        json,
        headers: { prefer: 'wait=30' },
      });
      expect(answer.status).toBeLessThan(500);
      responses.push(answer.text);
    }
    const set = z.object({ secrets: z.object({ API_TOKEN: z.object({ set: z.literal(true) }) }) });
    set.parse(JSON.parse(responses[4] ?? ''));
  }, 900_000);
  afterAll(() => platform.close());

  it('comes back in no response', () => {
    expect(responses.flatMap(tracesIn)).toEqual([]);
  });

  it('stands in no row of any table', async () => {
    const db = new pg.Client({ connectionString: platform.local.databaseUrl });
    await db.connect();
    try {
      const { rows: tables } = await db.query<{ name: string }>(
        "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'public'",
      );
      expect(tables.length).toBeGreaterThan(10);
      let sealed = 0;
      for (const { name } of tables) {
        const { rows } = await db.query<Record<string, unknown>>(`select * from ${name}`);
        if (name.endsWith('_secrets')) sealed += rows.length;
        for (const value of rows.flatMap((row) => Object.values(row))) {
          const bytes = Buffer.isBuffer(value) ? value : JSON.stringify(value ?? null);
          expect({ name, found: tracesIn(bytes) }).toEqual({ name, found: [] });
        }
      }
      expect(sealed).toBeGreaterThan(0);
    } finally {
      await db.end();
    }
  });

  it('stands in no log and no output', () => {
    expect(tracesIn(platform.starter.output())).toEqual([]);
    const logs = path.join(platform.starter.dataDir, 'logs');
    const files = readdirSync(logs);
    expect(files).toEqual(expect.arrayContaining(['gateway.log', 'runner.log', 'lifecycle-worker.log']));
    for (const file of files) {
      expect({ file, found: tracesIn(readFileSync(path.join(logs, file))) }).toEqual({ file, found: [] });
    }
  });

  it('stands in no workflow history, neither as stored nor decoded', async () => {
    const file = path.join(platform.starter.dataDir, 'secrets.json');
    const { payloadCodecKey } = z
      .object({ payloadCodecKey: z.string() })
      .parse(JSON.parse(readFileSync(file, 'utf8')));
    const codecKeys = [new SecretValue(payloadCodecKey)] as const;
    const codec = createPayloadCodec(codecKeys);
    const { address, namespace } = platform.local.temporal;
    const temporal = connectTemporal({ address, namespace, codecKeys });
    const { workflow } = temporal.client;
    const { History } = proto.temporal.api.history.v1;
    let decoded = 0;
    try {
      for await (const { workflowId, runId } of workflow.list()) {
        const history = await workflow.getHandle(workflowId, runId).fetchHistory();
        expect({ workflowId, found: tracesIn(History.encode(history).finish()) }).toEqual({
          workflowId,
          found: [],
        });
        for (const payload of payloadsIn(history)) {
          const [plain] = await codec.decode([payload]);
          if (plain?.data) {
            decoded += 1;
            expect({ workflowId, found: tracesIn(plain.data) }).toEqual({ workflowId, found: [] });
          }
        }
      }
    } finally {
      await temporal.close();
    }
    expect(decoded).toBeGreaterThan(10);
  });
});

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
