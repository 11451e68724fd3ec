import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import * as hostStorage from './api/host-storage.ts';
import * as internal from './api/internal.ts';
import { problem } from './api/problem.ts';
import type { Route } from './api/route.ts';
import { executeRequest, executeResponse, runnerAnnouncement, warmRequest } from './execute.ts';

type Parts = Partial<Record<'element' | 'innerType' | 'in' | 'out' | 'valueType', z.core.$ZodType>> & {
  options?: readonly z.core.$ZodType[];
  shape?: Record<string, z.core.$ZodType>;
  catchall?: z.core.$ZodType;
};

/** Paths of the objects within a schema that refuse a member they do not know. */
function strictObjects(schema: z.core.$ZodType, path: string): string[] {
  const { shape = {}, catchall, options = [], ...inner } = schema._zod.def as Parts;
  const { element, innerType, in: before, out, valueType } = inner;
  return [
    ...(catchall instanceof z.ZodNever ? [path] : []),
    ...Object.entries(shape).flatMap(([name, member]) => strictObjects(member, `${path}.${name}`)),
    ...[...options, element, innerType, before, out, valueType].flatMap((part) =>
      part === undefined ? [] : strictObjects(part, path),
    ),
  ];
}

const isRoute = (value: unknown): value is Route =>
  typeof value === 'object' && value !== null && 'answers' in value;
const exported: unknown[] = [...Object.values(internal), ...Object.values(hostStorage)];
const routes = exported.filter(isRoute);

describe('between our own processes, of which one may be newer', () => {
  it('a member that is not known is ignored, in every schema but those of limits and providers', () => {
    const schemas: [string, z.core.$ZodType][] = [
      ['execute', executeRequest],
      ['answer', executeResponse],
      ['warm', warmRequest],
      ['announcement', runnerAnnouncement],
      ['problem', problem],
      ...routes.flatMap((route): [string, z.core.$ZodType][] => [
        ...[route.body, route.query].flatMap((part): [string, z.core.$ZodType][] =>
          part === undefined ? [] : [[route.path, part]],
        ),
        ...Object.values(route.answers).map((part): [string, z.core.$ZodType] => [route.path, part]),
      ]),
    ];
    expect(routes.length).toBeGreaterThan(7);
    const strict = new Set(schemas.flatMap(([name, schema]) => strictObjects(schema, name)));
    expect([...strict]).toEqual(['execute.limits', 'execute.providers']);
  });
});

const request = {
  context: {
    request_id: 'r',
    execution_id: '00000000-0000-4000-8000-000000000001',
    tenant_id: '00000000-0000-4000-8000-000000000002',
    extension_id: '00000000-0000-4000-8000-000000000003',
    install_id: '00000000-0000-4000-8000-000000000004',
    version_id: '00000000-0000-4000-8000-000000000005',
    content_hash: `sha256:${'a'.repeat(64)}`,
    config_version: 1,
    trigger: 'http' as const,
  },
  http: { method: 'GET', path: '/', query: '', headers: {} },
  limits: { timeout_ms: 1000, memory_mb: 64, response_bytes: 1000 },
  config: { greeting: 'Hello' },
  providers: [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }],
};

describe('an execute request', () => {
  it('in the form that runners work with is read as it is', () => {
    expect(executeRequest.parse(request)).toEqual(request);
  });

  it('may name a capability instead of describing a grant, with or without cap:', () => {
    const providers = [
      'cap:storage.kv',
      'log.emit',
      { capability: 'cap:secrets.get', scope: { names: ['A'] } },
    ];
    expect(executeRequest.parse({ ...request, providers }).providers).toEqual([
      { capability: 'storage.kv', scope: {} },
      { capability: 'log.emit', scope: {} },
      { capability: 'secrets.get', scope: { names: ['A'] } },
    ]);
  });

  it('may have its config in the context, where it counts unless there is another', () => {
    const { config, context, ...rest } = request;
    const older = { ...rest, context: { ...context, config: { greeting: 'Hi' } } };
    expect(executeRequest.parse(older)).toEqual({ ...request, config: { greeting: 'Hi' } });
    expect(executeRequest.parse({ ...older, config })).toEqual(request);
    expect(executeRequest.parse({ ...rest, context }).config).toEqual({});
  });

  it('may limit fuel and egress', () => {
    const limits = { ...request.limits, fuel: 5, egress_bytes: 0 };
    expect(executeRequest.parse({ ...request, limits }).limits).toEqual(limits);
  });

  it.each<[string, object]>([
    ['a limit', { limits: { ...request.limits, gpu_ms: 1 } }],
    ['a capability', { providers: ['cap:disk.format'] }],
    ['a capability with a scope', { providers: [{ capability: 'disk.format', scope: {} }] }],
    ['a member of a grant', { providers: [{ ...request.providers[0], until: 'tomorrow' }] }],
  ])('is refused for %s that is not known', (_what, change) => {
    expect(executeRequest.safeParse({ ...request, ...change }).success).toBe(false);
  });
});
