import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { HeldPermission } from '../../core/own-permission.ts';
import { PERMISSIONS, type Permission } from '../../core/permissions.ts';
import { createApiKeyStore } from '../../platform/db/api-keys.ts';
import { generateApiKey } from '../../platform/tokens/api-key.ts';
import {
  installSample,
  startApi,
  type ApiAnswer,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';

const MAX_BODY = 2_000;
const AT_ONCE = 2;

const ENDPOINTS = [
  { method: 'GET', path: '/notes/:id', permission: 'extension:read' },
  { method: 'GET', path: '/notes/mine', permission: 'notes:mine' },
  { method: 'PUT', path: '/notes/:id', permission: 'extension:read' },
  { method: 'DELETE', path: '/notes/:id', permission: 'notes:delete' },
  { method: 'POST', path: '/notes' },
  { method: 'GET', path: '/open/:a/b', permission: 'extension:write' },
  { method: 'GET', path: '/open/x/:b' },
].map((endpoint) => ({ ...endpoint, handler: 'h' }));

/** What each path is, by method: worked out by hand, and not by what routes calls. */
const PATHS: Record<string, Partial<Record<string, string>>> = {
  '/notes/1': {
    GET: 'extension:read',
    HEAD: 'extension:read',
    PUT: 'extension:read',
    DELETE: 'notes:delete',
  },
  '/notes/%31?a=/notes': {
    GET: 'extension:read',
    HEAD: 'extension:read',
    PUT: 'extension:read',
    DELETE: 'notes:delete',
  },
  '/notes/mine': { GET: 'notes:mine', HEAD: 'notes:mine', PUT: 'extension:read', DELETE: 'notes:delete' },
  '/notes/min%65': { GET: 'notes:mine', HEAD: 'notes:mine', PUT: 'extension:read', DELETE: 'notes:delete' },
  '/notes': { POST: 'extension:write' },
  '/open/x/b': { GET: 'extension:read', HEAD: 'extension:read' },
  '/open/y/b': { GET: 'extension:write', HEAD: 'extension:write' },
  '/open/y/c': {},
  '/notes/': {},
  '/notes/1/': {},
  '/notes/1/2': {},
  '/NOTES/1': {},
  '/notes/%2e%2e': {},
  '/notes/a%2fb': {},
  '/notes/%zz': {},
  '/': {},
  '': {},
};

const STATES = [
  'active',
  'disabled',
  'paused',
  'quarantined',
  'uninstalled',
  'revoked',
  'foreign',
  'unknown',
] as const;
type State = (typeof STATES)[number];

let api: TestApi;
let here: string;
let there: string;
const targets = new Map<State, InstalledSample & { name: string }>();
const dispatched: string[] = [];

beforeAll(async () => {
  api = await startApi('api_dispatch', () => ({
    EXT_GATEWAY_BODY_BYTES: String(MAX_BODY),
    RUNNER_TENANT_CONCURRENCY: String(AT_ONCE),
  }));
  ({ tenantId: here } = await api.tenant());
  ({ tenantId: there } = await api.tenant());
  for (const state of STATES) {
    const sample = await installSample(api, state === 'foreign' ? there : here, {
      api: { endpoints: ENDPOINTS },
    });
    const { extensionId, installId, versionId } = sample;
    const row = (await api.db('extension_registry').where({ extension_id: extensionId }).first()) as Record<
      string,
      string
    >;
    if (state === 'revoked') {
      await api.db('extension_version').where({ version_id: versionId }).update({ status: 'revoked' });
    } else if (!['active', 'foreign', 'unknown'].includes(state)) {
      const gone = state === 'uninstalled' && { active_version_id: null, pending_version_id: versionId };
      const install = api.db('tenant_extension_install').where({ install_id: installId });
      await install.update({ status: state, ...gone });
    }
    const name = `${row['publisher_slug']}.${row['name']}`;
    // Of the one that is unknown nothing but the shape of its names is used.
    const unknown = {
      ...sample,
      extensionId: randomUUID(),
      installId: randomUUID(),
      name: `${name.slice(0, -1)}#`.replace('#', 'z'),
    };
    targets.set(state, state === 'unknown' ? unknown : { ...sample, name });
  }
  api.runner.reply = ({ request }) => {
    dispatched.push(request.context.install_id);
    return { body: 'fine' };
  };
});
afterAll(() => api.close());

type Credential =
  | { kind: 'none' | 'garbage' | 'unknown' | 'wrong secret' }
  | { kind: 'live' | 'expired' | 'revoked'; tenant: 'here' | 'there'; permissions: Permission[]; own: Own[] };
interface Own {
  of: State;
  permission: string;
}
type WithKey = Exclude<Credential, { kind: 'none' | 'garbage' | 'unknown' | 'wrong secret' }>;
const hasKey = (credential: Credential): credential is WithKey => 'permissions' in credential;

const keys = new Map<string, Promise<string>>();

async function makeKey({ kind, tenant, permissions, own }: WithKey): Promise<string> {
  const extensionPermissions = own.map(({ of, permission }): HeldPermission => {
    const { installId, name } = targets.get(of) ?? { installId: '', name: '' };
    return { installId, extension: name, permission };
  });
  const { key, keyId, digest } = generateApiKey();
  // Past the quota, which such a number of keys would reach.
  await createApiKeyStore(api.db).ensure(tenant === 'here' ? here : there, {
    ...{ keyId, digest, name: kind, permissions, extensionPermissions, createdBy: 'test' },
    ...(kind === 'expired' && { expiresAt: new Date(Date.now() - 1) }),
  });
  if (kind === 'revoked') await api.db('api_key').where({ key_id: keyId }).update({ revoked_at: new Date() });
  return key;
}

async function authorizationOf(credential: Credential): Promise<Record<string, string>> {
  if (!hasKey(credential)) {
    if (credential.kind === 'none') return {};
    if (credential.kind === 'garbage') return { authorization: 'Basic aGVsbG86d29ybGQ=' };
    const { key } = generateApiKey();
    if (credential.kind === 'unknown') return { authorization: `Bearer ${key}` };
    const live = await keyOf({ kind: 'live', tenant: 'here', permissions: [...PERMISSIONS], own: [] });
    return { authorization: `Bearer ${live.slice(0, -43)}${key.slice(-43)}` };
  }
  return { authorization: `Bearer ${await keyOf(credential)}` };
}

function keyOf(credential: WithKey): Promise<string> {
  const known = JSON.stringify(credential);
  const key = keys.get(known) ?? makeKey(credential);
  keys.set(known, key);
  return key;
}

interface Call {
  credential: Credential;
  state: State;
  by: 'id' | 'name';
  mount: 'ext' | 'ext-proxy';
  method: string;
  path: string;
  body: 'none' | 'small' | 'large' | 'compressed';
}

/** The status that a call has to get. */
function expected({ credential, state, method, path, body }: Call): number {
  if (!hasKey(credential) || credential.kind !== 'live') return 401;
  // Whose install it is depends on who asks.
  const isOurs = state !== 'unknown' && (state === 'foreign') === (credential.tenant === 'there');
  if (!isOurs) return 404;
  if (['paused', 'quarantined', 'revoked'].includes(state)) return 503;
  if (state !== 'active' && state !== 'foreign') return 404;
  const has = (name: string): boolean =>
    (credential.permissions as string[]).includes(name) ||
    (name.startsWith('notes:') && credential.permissions.includes('tenant:admin')) ||
    credential.own.some((own) => own.of === state && own.permission === name);
  const holdsSome = credential.own.some((own) => own.of === state);
  if (!['extension:read', 'extension:write', 'tenant:admin'].some(has) && !holdsSome) return 403;
  const methods = PATHS[path] ?? {};
  if (Object.keys(methods).length === 0) return 404;
  const needed = methods[method];
  if (needed === undefined) return 405;
  if (!has(needed)) return 403;
  if (method === 'GET' || method === 'HEAD' || body === 'none' || body === 'small') return 200;
  return body === 'large' ? 413 : 415;
}

async function send({ method, path, body, mount, by, state, credential }: Call): Promise<ApiAnswer> {
  const target = targets.get(state);
  const ref = by === 'id' ? target?.extensionId : target?.name;
  const hasBody = body !== 'none' && method !== 'GET' && method !== 'HEAD';
  return api.request(method, `/api/${mount}/${ref}${path}`, {
    headers: {
      ...(await authorizationOf(credential)),
      ...(hasBody && body === 'compressed' && { 'content-encoding': 'gzip' }),
    },
    ...(hasBody && { body: 'x'.repeat(body === 'large' ? MAX_BODY + 1 : 10) }),
  });
}

const own = fc.record({
  of: fc.constantFrom<State>('active', 'foreign', 'paused', 'unknown'),
  permission: fc.constantFrom('notes:mine', 'notes:delete', 'notes'),
});
// Small and in order, so that few keys have to be made.
const withKey = fc
  .record({
    kind: fc.constantFrom(
      'live' as const,
      'live' as const,
      'live' as const,
      'expired' as const,
      'revoked' as const,
    ),
    tenant: fc.constantFrom('here' as const, 'here' as const, 'there' as const),
    permissions: fc.subarray([...PERMISSIONS], { maxLength: 3 }),
    own: fc.uniqueArray(own, { maxLength: 2, selector: ({ of, permission }) => `${of} ${permission}` }),
  })
  .filter(({ permissions, own }) => permissions.length + own.length > 0);
const without = fc.record({
  kind: fc.constantFrom('none' as const, 'garbage' as const, 'unknown' as const, 'wrong secret' as const),
});

/** A method and a path that go together, or any. */
const asked = fc.oneof(
  fc.constantFrom(
    ...Object.entries(PATHS).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({ method, path })),
    ),
    ...['/notes', '/notes', '/notes'].map((path) => ({ method: 'POST', path })),
  ),
  fc.record({
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'),
    path: fc.constantFrom(...Object.keys(PATHS)),
  }),
);

const call: fc.Arbitrary<Call> = fc
  .record({
    credential: fc.oneof({ weight: 6, arbitrary: withKey }, { weight: 1, arbitrary: without }),
    state: fc.oneof(
      { weight: 3, arbitrary: fc.constant<State>('active') },
      { weight: 4, arbitrary: fc.constantFrom(...STATES) },
    ),
    by: fc.constantFrom('id' as const, 'name' as const),
    mount: fc.constantFrom('ext' as const, 'ext-proxy' as const),
    body: fc.constantFrom('none' as const, 'small' as const, 'large' as const, 'compressed' as const),
  })
  .chain((rest) => asked.map((pair) => ({ ...rest, ...pair })));

/** What a client can tell of an answer, but for what is another one each time. */
function toldBy({ status, headers, text }: ApiAnswer): object {
  const told = [...headers].filter(([name]) => !['x-request-id', 'date'].includes(name));
  return { status, headers: told, text: text.replace(/"requestId":"[^"]*"/, '') };
}

it('a call is dispatched if, and only if, all of principal, install, endpoint, permission and limits allow it', async () => {
  const seen = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(call, async (made) => {
      dispatched.length = 0;
      const status = expected(made);
      seen.set(status, (seen.get(status) ?? 0) + 1);
      const answer = await send(made);
      expect(answer.status).toBe(status);
      expect(dispatched).toEqual(status === 200 ? [targets.get(made.state)?.installId] : []);
      expect(answer.headers.has('x-execution-id')).toBe(status === 200);
    }),
    { numRuns: 1_500 },
  );
  // Of each there were some, or nothing was shown.
  expect([...seen.keys()].sort()).toEqual([200, 401, 403, 404, 405, 413, 415, 503]);
  const [{ count }] = (await api.db('extension_execution_log').count({ count: '*' })) as [{ count: number }];
  expect(count).toBe(seen.get(200));
}, 180_000);

it('what is over the limit of calls at once is not dispatched, and another tenant’s calls are', async () => {
  dispatched.length = 0;
  const gate = Promise.withResolvers<undefined>();
  const { reply } = api.runner;
  api.runner.reply = async (seen) => {
    const answer = await reply(seen);
    if (seen.request.context.tenant_id === here) await gate.promise;
    return answer;
  };
  const plain = { method: 'GET', path: '/notes/1', by: 'id', mount: 'ext', body: 'none' } as const;
  const asking = (tenant: 'here' | 'there', state: State): Call => {
    return {
      ...plain,
      state,
      credential: { kind: 'live', tenant, permissions: ['extension:read'], own: [] },
    };
  };
  const calls = Array.from({ length: 8 * AT_ONCE }, () => send(asking('here', 'active')));
  // Those that find no place in time are refused; those with one are held.
  const refused = await Promise.race(calls.map(async (one) => (await one).status));
  expect(refused).toBe(429);
  expect((await send(asking('there', 'foreign'))).status).toBe(200);
  gate.resolve(undefined);
  const statuses = (await Promise.all(calls)).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([200, 429]));
  const ours = dispatched.filter((installId) => installId === targets.get('active')?.installId);
  expect(ours).toHaveLength(statuses.filter((status) => status === 200).length);
  api.runner.reply = reply;
});

it('no answer tells whether another tenant has an install', async () => {
  const foreign = call.filter(({ credential }) => !hasKey(credential) || credential.tenant === 'here');
  await fc.assert(
    fc.asyncProperty(foreign, async (made) => {
      dispatched.length = 0;
      const [theirs, nobodys] = [
        await send({ ...made, state: 'foreign' }),
        await send({ ...made, state: 'unknown' }),
      ];
      expect(toldBy(theirs)).toEqual(toldBy(nobodys));
      expect(dispatched).toEqual([]);
    }),
    { numRuns: 300 },
  );
}, 60_000);
