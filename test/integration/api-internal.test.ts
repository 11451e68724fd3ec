import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ARTIFACT_TARGET } from '../../core/artifact-target.ts';
import { PlatformError } from '../../core/errors.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import {
  installSample,
  problem,
  RUNNER_CREDENTIAL,
  startApi,
  WORKER_CREDENTIAL,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';

let api: TestApi;
let tenantId: string;
let sample: InstalledSample;
beforeAll(async () => {
  api = await startApi('api_internal');
  ({ tenantId } = await api.tenant());
  sample = await installSample(api, tenantId);
});
afterAll(() => api.close());
beforeEach(() => {
  api.runner.seen.length = 0;
  api.runner.reply = () => ({ body: 'hello' });
});

const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });

describe('internal executions', () => {
  const execute = (json: Record<string, unknown>, credential = WORKER_CREDENTIAL) =>
    api.request('POST', '/api/internal/executions', {
      json: { tenantId, ...json },
      headers: bearer(credential),
    });

  it.each(['probe', 'event', 'schedule'])(
    'of a %s need a request to make, and are no warm-up without',
    async (trigger) => {
      const answer = await execute({ installId: sample.installId, versionId: sample.versionId, trigger });
      expect(answer).toMatchObject(problem(400, 'INPUT_INVALID'));
      expect(api.runner.warmed).toEqual([]);
    },
  );

  it('probe a version that does not serve yet', async () => {
    const next = await installSample(api, tenantId);
    const { installId, versionId } = next;
    await createInstallOperationStore(api.db).deactivate(tenantId, installId);
    const http = { method: 'GET', path: '/health?x=1' };
    const answer = await execute({ installId, versionId, trigger: 'probe', http });
    expect(answer).toMatchObject({ status: 200, json: { status: 200 } });
    expect(api.runner.seen[0]?.request).toMatchObject({
      context: { trigger: 'probe', install_id: installId, tenant_id: tenantId },
      http: { method: 'GET', path: '/health', query: 'x=1' },
    });
    const event = await execute({ installId, versionId, trigger: 'event', http });
    expect(event).toMatchObject(problem(404, 'NOT_FOUND'));
  });

  it('warm by hash', async () => {
    const answer = await execute({ installId: sample.installId, trigger: 'warm' });
    expect(answer).toMatchObject({ status: 200, json: { status: 200 } });
    expect(api.runner.warmed.at(-1)).toEqual({ tenant_id: tenantId, content_hash: sample.contentHash });
  });

  it('tell the worker what became of the guest', async () => {
    api.runner.reply = () => ({ status: 502, error: { code: 'GUEST_TRAPPED', message: 'unreachable' } });
    const http = { method: 'GET', path: '/health' };
    const answer = await execute({ installId: sample.installId, trigger: 'probe', http });
    expect(answer).toMatchObject({ status: 200, json: { status: 502, error: { code: 'GUEST_TRAPPED' } } });
    api.runner.reply = () => ({ refuse: 503, code: 'RUNNER_BUSY' });
    expect(await execute({ installId: sample.installId, trigger: 'probe', http })).toMatchObject(
      problem(503, 'RUNNER_BUSY'),
    );
  });

  it('are for workers alone, and for installs and versions that are there', async () => {
    const body = { installId: sample.installId, trigger: 'warm' };
    expect(await execute(body, RUNNER_CREDENTIAL)).toMatchObject(problem(403, 'FORBIDDEN'));
    expect(await execute(body, 'wrong')).toMatchObject(problem(401, 'UNAUTHENTICATED'));
    const { key } = await api.tenant();
    expect(await execute(body, key)).toMatchObject(problem(401, 'UNAUTHENTICATED'));
    expect(await execute({ ...body, installId: randomUUID() })).toMatchObject(problem(404, 'NOT_FOUND'));
    const { tenantId: other } = await api.tenant();
    expect(await execute({ ...body, tenantId: other })).toMatchObject(problem(404, 'NOT_FOUND'));
    expect(await execute({ ...body, tenantId: undefined })).toMatchObject(problem(400, 'INPUT_INVALID'));
    const foreign = await installSample(api, tenantId);
    expect(await execute({ ...body, versionId: foreign.versionId })).toMatchObject(problem(404, 'NOT_FOUND'));
  });
});

describe('install-config', () => {
  const route = '/api/internal/ext-runner/install-config';

  it('answers a worker under either header, and never a runner', async () => {
    const json = { tenantId, extensionId: sample.extensionId };
    for (const headers of [bearer(WORKER_CREDENTIAL), { 'x-runner-auth': WORKER_CREDENTIAL }]) {
      const answer = await api.request('POST', route, { json, headers });
      expect(answer).toMatchObject({
        status: 200,
        json: { contentHash: sample.contentHash, configVersion: 0 },
      });
    }
    for (const headers of [bearer(RUNNER_CREDENTIAL), { 'x-runner-auth': RUNNER_CREDENTIAL }]) {
      expect(await api.request('POST', route, { json, headers })).toMatchObject(problem(403, 'FORBIDDEN'));
    }
  });

  it('finds nothing of an install in a tenant that is not its own', async () => {
    const { tenantId: other } = await api.tenant();
    for (const ref of [{ installId: sample.installId }, { extensionId: sample.extensionId }]) {
      const json = { tenantId: other, ...ref };
      const answer = await api.request('POST', route, { json, headers: bearer(WORKER_CREDENTIAL) });
      expect(answer).toMatchObject(problem(404, 'NOT_FOUND'));
    }
  });

  it('holds the sealed secrets that the grant names, and none without a grant', async () => {
    const envelopeWith = async (scope?: { names?: string[] }): Promise<unknown> => {
      const { installId } = await installSample(api, tenantId);
      const own = { tenant_id: tenantId, install_id: installId };
      if (scope) {
        await api.db('tenant_extension_grant').where(own).update({ capability: 'secrets.get', scope });
      }
      await api.db('tenant_extension_install_secrets').insert(
        ['API_KEY', 'OTHER'].map((name) => ({
          ...own,
          name,
          sealed: `sealed ${name}`,
          key_id: api.secretsKeyId,
        })),
      );
      const json = { tenantId, installId };
      const answer = await api.request('POST', route, { json, headers: bearer(WORKER_CREDENTIAL) });
      expect(answer.status).toBe(200);
      return (answer.json as { secretEnvelope?: { entries: unknown } }).secretEnvelope?.entries;
    };
    expect(await envelopeWith()).toBeUndefined();
    expect(await envelopeWith({ names: ['API_KEY', 'UNSET'] })).toEqual({ API_KEY: 'sealed API_KEY' });
    expect(await envelopeWith({ names: ['UNSET'] })).toBeUndefined();
    expect(await envelopeWith({})).toEqual({ API_KEY: 'sealed API_KEY', OTHER: 'sealed OTHER' });
  });
});

describe('ui-installs', () => {
  it('name entry and sources of a UI that some install serves, and no other', async () => {
    const ui = { type: 'iframe', entry: 'ui/index.html', csp: { connect: ['https://api.test'] } };
    const { installId, extensionId, contentHash } = await installSample(api, tenantId, { ui });
    const ask = (hash: string, credential = RUNNER_CREDENTIAL) =>
      api.request('GET', `/api/internal/runner/ui-installs?extensionId=${extensionId}&contentHash=${hash}`, {
        headers: bearer(credential),
      });
    expect(await ask(contentHash)).toMatchObject({
      status: 200,
      json: { entry: 'index.html', csp: { connectSrc: ['https://api.test'] } },
    });
    expect(await ask(sample.contentHash)).toMatchObject(problem(404, 'NOT_FOUND'));
    expect(await ask(contentHash, WORKER_CREDENTIAL)).toMatchObject(problem(403, 'FORBIDDEN'));
    await api.db('tenant_extension_install').where({ install_id: installId }).update({ status: 'disabled' });
    expect(await ask(contentHash)).toMatchObject(problem(404, 'NOT_FOUND'));
  });
});

describe('the internal listener', () => {
  it('serves internal routes and health, under the same credentials, and nothing else', async () => {
    const { key } = await api.tenant();
    const ask = async (route: string, credential?: string): Promise<number> => {
      const headers = credential === undefined ? {} : bearer(credential);
      return (await fetch(`${api.internalUrl}${route}`, { headers })).status;
    };
    const ui = `/api/internal/runner/ui-installs?extensionId=${sample.extensionId}&contentHash=${sample.contentHash}`;
    expect(await ask(ui, RUNNER_CREDENTIAL)).toBe(404); // the sample has no UI
    expect(await ask(ui, WORKER_CREDENTIAL)).toBe(403);
    expect(await ask(ui, key)).toBe(401);
    expect(await ask('/healthz')).toBe(200);
    expect(await ask('/readyz')).toBe(200);
    for (const route of ['/api/v1/installs', `/api/ext/${sample.extensionId}/notes/1`, '/ext-ui/a.b/']) {
      expect([(await api.request('GET', route)).status, await ask(route, key)]).toEqual([401, 404]);
    }
  });
});

describe('a request for an artifact', () => {
  const ask = (json: unknown, credential = RUNNER_CREDENTIAL) =>
    api.request('POST', '/api/internal/runner/precompile', { json, headers: bearer(credential) });

  it('starts its making for the current target, on behalf of the publisher', async () => {
    const { contentHash } = sample;
    const workflowId = `precompile:${contentHash}:${ARTIFACT_TARGET}`;
    const accepted = { status: 202, json: { status: 'precompiling', workflowId } };
    expect(await ask({ contentHash })).toMatchObject(accepted);
    expect(await ask({ contentHash, target: ARTIFACT_TARGET, newer: 1 })).toMatchObject(accepted);
    const started = { contentHash, target: ARTIFACT_TARGET, tenantId };
    expect(api.workflows.precompiles).toEqual([started, started]);
  });

  it('starts nothing for content that nobody published, for another target, or for whoever is no runner', async () => {
    api.workflows.precompiles.length = 0;
    const { contentHash } = sample;
    const unknown = `sha256:${'0'.repeat(64)}`;
    expect(await ask({ contentHash: unknown })).toMatchObject(problem(404, 'NOT_FOUND'));
    expect(await ask({ contentHash: 'x' })).toMatchObject(problem(400, 'INPUT_INVALID'));
    expect(await ask({ contentHash, target: 'made-up' })).toMatchObject(problem(400, 'INPUT_INVALID'));
    expect(await ask({ contentHash }, WORKER_CREDENTIAL)).toMatchObject(problem(403, 'FORBIDDEN'));
    expect(await ask({ contentHash }, 'wrong')).toMatchObject(problem(401, 'UNAUTHENTICATED'));
    await api.db('extension_version').where({ content_hash: contentHash }).update({ status: 'revoked' });
    expect(await ask({ contentHash })).toMatchObject(problem(404, 'NOT_FOUND'));
    await api.db('extension_version').where({ content_hash: contentHash }).update({ status: 'published' });
    expect(api.workflows.precompiles).toEqual([]);
  });

  it('says when Temporal is away', async () => {
    api.workflows.fails = new PlatformError('TEMPORAL_UNAVAILABLE', 'away');
    expect(await ask({ contentHash: sample.contentHash })).toMatchObject(
      problem(503, 'TEMPORAL_UNAVAILABLE'),
    );
    api.workflows.fails = undefined;
  });

  it('is refused once there are too many of them', async () => {
    const answers = await Promise.all(
      Array.from({ length: 61 }, () => ask({ contentHash: sample.contentHash })),
    );
    const refused = answers.find(({ status }) => status !== 202);
    expect(refused).toMatchObject(problem(429, 'RATE_LIMITED'));
    expect(refused?.headers.get('retry-after')).toBe('1');
  });
});
