import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { SecretValue } from '../secret-value.ts';
import type { Route } from './route.ts';
import { internalRoutes, openRoutes, publicRoutes } from './routes.ts';
import { installExtension } from './installs.ts';
import { runExecution } from './internal.ts';
import { time } from './values.ts';

const routes: [string, Route][] = Object.entries({ ...publicRoutes, ...openRoutes, ...internalRoutes });

describe('the table of routes', () => {
  it('has every method and path once', () => {
    const addresses = routes.map(([, { method, path }]) => `${method} ${path}`);
    expect(new Set(addresses).size).toBe(addresses.length);
  });

  it.each(routes)('%s names the parameters of its path, and answers only successes', (_name, route) => {
    const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(Object.keys(route.params?.shape ?? {})).toEqual(inPath);
    const statuses = Object.keys(route.answers).map(Number);
    expect(statuses.length).toBeGreaterThan(0);
    expect(statuses.filter((status) => status < 200 || status > 299)).toEqual([]);
  });
});

describe('a request', () => {
  it('from a client is refused with a member that nobody knows', () => {
    const parsed = installExtension.body.safeParse({ extension: 'acme.sample', tenantId: 'x' });
    expect(parsed.error?.issues).toMatchObject([{ code: 'unrecognized_keys', keys: ['tenantId'] }]);
  });

  it('from a newer process of ours is taken, without the members that are not known', () => {
    const id = '00000000-0000-4000-8000-000000000001';
    const body = { tenantId: id, installId: id, trigger: 'warm' };
    expect(runExecution.body.parse({ ...body, newer: true })).toEqual(body);
  });

  it('holds secrets that nothing prints', () => {
    const { secrets } = installExtension.body.parse({
      extension: 'acme.sample',
      secrets: { TOKEN: 'v4lue' },
    });
    expect(secrets['TOKEN']).toBeInstanceOf(SecretValue);
    expect(JSON.stringify(secrets)).not.toContain('v4lue');
    expect(secrets['TOKEN']?.reveal()).toBe('v4lue');
  });
});

it('a time is RFC 3339 on the wire, any offset, and a Date in code', () => {
  expect(time.parse('2026-11-21T12:00:00+02:00')).toEqual(new Date('2026-11-21T10:00:00Z'));
  expect(z.encode(time, new Date('2026-11-21T10:00:00Z'))).toBe('2026-11-21T10:00:00.000Z');
  expect(time.safeParse('yesterday').success).toBe(false);
});
