import type { Evidence } from '../evidence.ts';
import type { Kind, Sent } from '../record.ts';

export const TENANT = 'tenant-1';
export const INSTALL = 'install-1';
export const UPLOAD = 'upload-1';
const NEW = 'caller.1';
const LED_INSTALL = 'install-4';

/** A storm in which everything went well: one of each kind of work. */
export function calm(): Evidence {
  let n = 0;
  const sent = (kind: Kind, more: Partial<Sent>): Sent => ({
    n: (n += 1),
    kind,
    tenantId: TENANT,
    method: 'POST',
    route: `/${kind}`,
    mark: `north.${kind}`,
    about: { installId: INSTALL },
    at: 1_000,
    answeredAt: 1_100,
    status: 200,
    ...more,
  });
  const install = { installId: 'install-2', status: 'installing' };
  const greeted = { tenant: TENANT, greeting: 'north.config, you!' };
  return {
    sent: [
      sent('call', { configVersion: 2, answer: { ...greeted, count: 1 } }),
      sent('count', { configVersion: 2, answer: { ...greeted, count: 1 } }),
      sent('echo', { json: { text: 'back' }, answer: { text: 'back' } }),
      sent('config', { answer: { version: 2, config: { greeting: 'north.config' } } }),
      sent('secrets', { status: 202, location: '/secrets', answer: { changeId: 'change-1' } }),
      sent('read', { route: '/secrets', about: { when: 'after' }, answer: {} }),
      sent('secrets', {}),
      sent('tenant', { status: 201, mark: NEW }),
      sent('key', { status: 201 }),
      sent('read', { about: { keyId: 'key-1', when: 'made' } }),
      sent('revoke', { status: 204, about: { keyId: 'key-1' } }),
      sent('read', { status: 401, about: { keyId: 'key-1', when: 'revoked' } }),
      sent('upload', { status: 201 }),
      sent('publish', { status: 201, about: { uploadId: UPLOAD } }),
      sent('install', {
        status: 202,
        tenantId: 'tenant-2',
        mark: NEW,
        json: { extension: 'alga.storm' },
        answer: install,
        location: '/installs/install-2',
      }),
      sent('consent', { tenantId: 'tenant-2', mark: NEW, about: { decision: 'grant' } }),
      sent('read', { route: '/installs/install-2', about: { when: 'after' }, answer: { status: 'active' } }),
      sent('call', {
        tenantId: 'tenant-2',
        mark: `${NEW}.after`,
        about: { when: 'after' },
        configVersion: 1,
        answer: { tenant: 'tenant-2', greeting: 'caller.1, you!', count: 1 },
      }),
    ],
    led: ledLife(),
    disturbed: [],
    executions: ['storm-1', 'storm-2', 'storm-3', 'storm-18'].map((requestId) => ({
      tenantId: TENANT,
      requestId,
      executionId: requestId,
      status: 'succeeded',
      httpStatus: 200,
      errorCode: null,
      startedAt: new Date(1_000),
    })),
    installs: [
      installed(TENANT, INSTALL, { greeting: 'north.config' }, 2),
      installed('tenant-2', 'install-2', { greeting: NEW }, 1),
      {
        ...installed('tenant-3', 'install-3', { greeting: 'waits' }, 1),
        status: 'awaiting-consent',
        waitingFor: 'consent',
      },
    ],
    records: [
      record(TENANT, INSTALL, 'north.call'),
      record(TENANT, INSTALL, 'north.shared'),
      record('tenant-2', 'install-2', `${NEW}.after`),
    ],
    usage: [
      { installId: INSTALL, namespace: 'counters', keys: 2, bytes: 2 },
      { installId: 'install-2', namespace: 'counters', keys: 1, bytes: 1 },
    ],
    drafts: [],
    applied: ['change-1'],
    uploads: [
      { tenantId: TENANT, uploadId: UPLOAD, filename: 'north.upload', status: 'published', error: null },
    ],
    versions: [{ uploadId: UPLOAD, version: '1.0.1' }],
    tenants: [
      { tenantId: TENANT, name: 'north' },
      { tenantId: 'tenant-2', name: NEW },
      { tenantId: 'tenant-3', name: 'waits' },
    ],
    keys: [{ id: 'key-1', tenantId: TENANT, name: 'north.key', revoked: true }],
    secrets: [
      { tenantId: TENANT, installId: INSTALL, name: 'TOKEN', value: 'north.secrets' },
      { tenantId: 'tenant-2', installId: 'install-2', name: 'TOKEN', value: NEW },
    ],
    running: [
      {
        workflowId: 'consent:install-3:version',
        type: 'awaitConsent',
        phase: undefined,
        startedAt: new Date(1_000),
      },
    ],
    staged: [],
    roles: [{ name: 'gateway', pid: 1, residentBytes: 1_000, openFiles: 10 }],
    orphans: [],
    noise: [],
    swept: { installs: { count: 0 } },
  };
}

/** An install that was upgraded, called and paused, with a version that it can go back to. */
function ledLife(): Evidence['led'] {
  const install = { tenantId: 'tenant-4', extensionId: 'extension', installId: LED_INSTALL };
  const sent = (kind: Kind, at: number, more: Partial<Sent> = {}): Sent => ({
    ...{ n: 100 + at, kind, tenantId: 'tenant-4', method: 'POST', route: '', mark: `west.${at}` },
    about: { led: 'yes', installId: LED_INSTALL },
    ...{ at, answeredAt: at + 1, status: 200 },
    answer: { installId: LED_INSTALL, status: 'active', version: '1.1.0' },
    ...more,
  });
  return {
    sent: [
      sent('install', 0, { status: 201 }),
      sent('upgrade', 2),
      sent('try', 4, { about: { led: 'yes', status: 'active' } }),
      sent('read', 6),
      sent('pause', 8),
    ],
    installs: [
      {
        ...install,
        status: 'paused',
        ...{ active: 'version-2', pending: null, waitingFor: null, operation: null, error: null },
        ...{ restoresTo: null, purgeAt: null, version: '1.1.0', greeting: null },
        ...{ configured: ['version-1', 'version-2'], granted: ['version-2'], previous: ['version-1'] },
        ...{ secrets: 1, drafts: 0, changes: 0, data: 1 },
      },
    ],
    running: [],
  };
}

function installed(
  tenantId: string,
  installId: string,
  config: Record<string, unknown>,
  configVersion: number,
): Evidence['installs'][number] {
  const stamps = { configVersion, secretsVersion: configVersion };
  const rest = { operation: null, waitingFor: null, error: null };
  return { tenantId, installId, extension: 'alga.storm', status: 'active', config, ...stamps, ...rest };
}

/** A counter that was counted up once. */
export function record(tenantId: string, installId: string, key: string): Evidence['records'][number] {
  return { tenantId, installId, namespace: 'counters', key, value: '1' };
}
