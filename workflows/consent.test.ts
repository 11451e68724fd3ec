import { describe, expect, it } from '@jest/globals';
import type { RequestedCapability } from '../activities/installs.ts';
import { coversRequired, grantsFor, refuseUnrequested } from './consent.ts';

const STORAGE: RequestedCapability = {
  capability: 'storage.kv',
  scope: { namespaces: ['notes', 'drafts'] },
  optional: false,
};
const ANY_HOST: RequestedCapability = { capability: 'http.fetch', scope: {}, optional: false };
const hosts = (...named: string[]) => [{ capability: 'http.fetch' as const, scope: { hosts: named } }];

describe('consent to less than is asked for', () => {
  it('grants the scope that the admin gave', () => {
    const narrowed = [{ capability: 'storage.kv' as const, scope: { namespaces: ['notes'] } }];
    expect(grantsFor([STORAGE], 'all', narrowed)).toEqual(narrowed);
    expect(grantsFor([STORAGE], 'all')).toEqual([
      { capability: 'storage.kv', scope: { namespaces: ['notes', 'drafts'] } },
    ]);
  });
});

describe('what every install has', () => {
  const told = (...fields: string[]) => ({ capability: 'user.read' as const, scope: { fields } });

  it('is granted with less where an admin withholds some, once', () => {
    expect(grantsFor([], 'all', [told('name')])).toEqual([told('name')]);
    expect(grantsFor([], [], [told('name'), told('name', 'email')])).toEqual([told('name')]);
    expect(grantsFor([], [], [told('name', 'email'), told('name')])).toEqual([told('name')]);
  });
});

describe('http.fetch without hosts', () => {
  it('opens nothing by itself, whatever is consented to', () => {
    expect(coversRequired([ANY_HOST], 'all')).toBe(false);
    expect(grantsFor([{ ...ANY_HOST, optional: true }], 'all')).toEqual([]);
  });

  it.each([['api.example.com'], ['*']])('is granted with the host %s that an admin names', (host) => {
    expect(coversRequired([ANY_HOST], 'all', hosts(host))).toBe(true);
    expect(grantsFor([ANY_HOST], ['http.fetch'], hosts(host))).toEqual(hosts(host));
  });

  it('keeps a decision from being taken until they are named', () => {
    const grant = { decision: 'grant', decidedBy: 'key' } as const;
    expect(() => refuseUnrequested([ANY_HOST], grant)).toThrow('name hosts for http.fetch');
    expect(() => refuseUnrequested([ANY_HOST], { ...grant, narrowed: hosts('*') })).not.toThrow();
    expect(() => refuseUnrequested([ANY_HOST], { ...grant, decision: 'decline' })).not.toThrow();
  });
});
