import { describe, expect, it } from '@jest/globals';
import type { CapabilityName, CapabilityScope } from '../../core/capabilities.ts';
import { capabilityRequest } from '../../core/manifest/capability-request.ts';
import { executeRequest } from '../../test/support/execute-request.ts';
import { askedFor, createDenials } from './denied.ts';

interface Grants {
  grants?: Partial<Record<CapabilityName, CapabilityScope>>;
  off?: string[];
}

function setup({ grants = {}, off }: Grants = {}) {
  const lines: string[] = [];
  const providers = Object.entries(grants).map(([capability, scope]) => ({
    capability: capability as CapabilityName,
    scope: Object.fromEntries(Object.entries(scope).map(([key, values]) => [key, [...values]])),
  }));
  const request = executeRequest({ providers, ...(off && { switched_off: off }) });
  return { lines, ...createDenials(request, (line) => lines.push(line)) };
}

function lineOf(capability: CapabilityName, value?: string, given: Grants = {}): string | undefined {
  const { denied, lines } = setup(given);
  denied(capability, value);
  expect(lines).toHaveLength(1);
  return lines[0];
}

describe('what is denied', () => {
  it('is told with the line of the manifest that would have allowed it', () => {
    expect(lineOf('secrets.get', 'X')).toBe(
      'cap:secrets.get was denied for name "X": add {"name":"cap:secrets.get","scope":{"names":["X"]}} to "capabilities" in manifest.json; if it is there, an admin of the tenant has not granted it',
    );
    expect(lineOf('client.read')).toBe(
      'cap:client.read was denied: add {"name":"cap:client.read"} to "capabilities" in manifest.json; if it is there, an admin of the tenant has not granted it',
    );
  });

  it('is told as outside of the scope where the rest is granted', () => {
    expect(lineOf('storage.kv', 'b', { grants: { 'storage.kv': { namespaces: ['a'] } } })).toBe(
      'cap:storage.kv was denied for namespace "b": its scope in "capabilities" of manifest.json has to hold it, as in {"name":"cap:storage.kv","scope":{"namespaces":["b"]}}; if it does, an admin of the tenant has narrowed the grant',
    );
    expect(lineOf('http.fetch', 'api.example.com', { grants: { 'http.fetch': {} } })).toContain(
      '"scope":{"hosts":["api.example.com"]}',
    );
  });

  it.each([
    ['secrets.get', 'X'],
    ['storage.kv', 'notes'],
    ['http.fetch', 'api.example.com:8443'],
    ['ui.proxy', '/tickets'],
    ['scheduler.manage', undefined],
    ['config.read', undefined],
    ['invoice.manual.create', undefined],
  ] as const)('is told in words that a manifest takes: %s', (capability, value) => {
    const [, line = ''] = /: add (\{.*\}) to "capabilities"/.exec(lineOf(capability, value) ?? '') ?? [];
    expect(capabilityRequest.parse(JSON.parse(line))).toMatchObject({ name: capability });
  });

  it('is told to be out of reach where no manifest can ask for it', () => {
    expect(lineOf('storage.kv', 'no such\nnamespace')).toBe(
      'cap:storage.kv was denied for namespace "no such\\nnamespace", which no manifest can ask for: it must be a namespace of up to 128 of A-Z a-z 0-9 . _ -',
    );
    expect(lineOf('secrets.get', 'x'.repeat(100_000))?.length).toBeLessThan(500);
  });

  it('is told to be switched off, or taken away meanwhile, where that is so', () => {
    expect(lineOf('storage.kv', 'a', { off: ['storage.kv'] })).toBe(
      'cap:storage.kv was denied for namespace "a": an operator has switched it off for this tenant',
    );
    for (const scope of [{}, { namespaces: ['a'] }]) {
      expect(lineOf('storage.kv', 'a', { grants: { 'storage.kv': scope } })).toBe(
        'cap:storage.kv was denied for namespace "a": its grant was narrowed or switched off while this execution ran',
      );
    }
  });

  it('is told once, and no more than a few times in all', () => {
    const { denied, explain, lines } = setup();
    for (let n = 0; n < 10_000; n += 1) {
      denied('config.read');
      explain('no host application is connected');
      denied('secrets.get', `NAME_${n}`);
    }
    expect(new Set(lines).size).toBe(lines.length);
    expect(lines).toHaveLength(17);
    expect(lines.at(-1)).toBe('more was denied, and is not listed');
  });
});

describe('what a call without a grant asked for', () => {
  it.each([
    ['secrets', ['X'], 'secrets.get', 'X'],
    ['secrets', [], 'secrets.get', undefined],
    ['storage', ['notes', 'key'], 'storage.kv', 'notes'],
    ['storage', [{ namespace: 'notes', key: 'a' }], 'storage.kv', 'notes'],
    ['http', [{ url: 'https://API.example.com/x?y' }], 'http.fetch', 'api.example.com'],
    ['http', [{ url: 'nonsense' }], 'http.fetch', undefined],
    ['http', [new Uint8Array(3)], 'http.fetch', undefined],
    ['ui-proxy', ['/tickets'], 'ui.proxy', '/tickets'],
    ['clients', ['id'], 'client.read', undefined],
    ['scheduler', [undefined], 'scheduler.manage', undefined],
  ])('is read off its arguments: %s %j', (interfaceName, args, capability, value) => {
    expect(askedFor(interfaceName, args)).toEqual({ capability, ...(value !== undefined && { value }) });
  });

  it('is nothing where the interface needs no capability', () => {
    expect(askedFor('random', [])).toBeUndefined();
  });
});
