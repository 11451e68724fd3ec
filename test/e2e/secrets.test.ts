import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { bundleOf, expectStatus, install, publish } from '../support/extensions.ts';
import { readSecrets } from '../storm/temporal.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';
import { createTracer, searchHistories, searchLogs, searchTables } from '../support/secret-traces.ts';

const SECRETS = ['value-set-with-the-install-7319', 'value-set-afterwards-4482'] as const;
const tracesIn = createTracer(SECRETS);

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
    const { found, looked, sealed } = await searchTables(platform.local.databaseUrl, tracesIn);
    expect(found).toEqual([]);
    expect(looked).toBeGreaterThan(10);
    expect(sealed).toBeGreaterThan(0);
  });

  it('stands in no log and no output', () => {
    expect(tracesIn(platform.starter.output())).toEqual([]);
    const { found, files } = searchLogs(platform.starter.dataDir, tracesIn);
    expect(files).toEqual(expect.arrayContaining(['gateway.log', 'runner.log', 'lifecycle-worker.log']));
    expect(found).toEqual([]);
  });

  it('stands in no workflow history, neither as stored nor decoded', async () => {
    const { payloadCodecKey } = readSecrets(platform.starter.dataDir);
    const { found, looked } = await searchHistories(platform.local, payloadCodecKey, tracesIn);
    expect(found).toEqual([]);
    expect(looked).toBeGreaterThan(10);
  });
});
