import { describe, expect, it } from '@jest/globals';
import { consentTitle, operationTitle, purgeTitle, summary } from './titles.ts';

const tenantId = '01981e3a-0000-7000-8000-000000000001';

describe('a title in the Temporal UI', () => {
  it('says what is done to which extension for whom', () => {
    const install = { extension: 'alga.hello', version: '0.1.0', tenantId, installId: 'i' };
    expect(operationTitle('install', install)).toBe(`Install alga.hello 0.1.0 for tenant ${tenantId}`);
    expect(operationTitle('disable', { extension: 'alga.hello', tenantId })).toBe(
      `Disable alga.hello for tenant ${tenantId}`,
    );
    expect(purgeTitle(install)).toContain('Purge alga.hello, install i of tenant');
  });

  it('says what consent is waited for, with its scope', () => {
    expect(
      consentTitle([
        { capability: 'http.fetch', scope: { hosts: ['api.example.com'] } },
        { capability: 'storage.kv', scope: { namespaces: ['a', 'b', 'c', 'd', 'e'] } },
        { capability: 'config.read', scope: {} },
      ]),
    ).toBe('Wait for consent: http.fetch to api.example.com, storage.kv in a, b, c and 2 more, config.read');
  });

  it('says what is told of who calls', () => {
    const user = (...fields: string[]) => consentTitle([{ capability: 'user.read', scope: { fields } }]);
    expect(user('name', 'client')).toBe('Wait for consent: user.read of name, client');
    expect(user()).toBe('Wait for consent: user.read of nothing');
  });

  it('says of http.fetch whose hosts nobody named that an admin has to, and of any host that it is any', () => {
    const fetch = (scope: Record<string, string[]>) => consentTitle([{ capability: 'http.fetch', scope }]);
    expect(fetch({})).toBe('Wait for consent: http.fetch to hosts that an admin names');
    expect(fetch({ hosts: ['*'] })).toBe('Wait for consent: http.fetch to any public host');
  });

  it('is cut to what Temporal takes, also where its letters are wide', () => {
    expect(summary('short')).toBe('short');
    for (const letter of ['x', 'ü', '漢', '🙂']) {
      const cut = summary(letter.repeat(400));
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(240);
      expect(cut.endsWith('…')).toBe(true);
    }
  });
});
