import { describe, expect, it } from '@jest/globals';
import { generateApiKey, parseApiKey } from './api-key.ts';
import { sameDigest } from './bearer.ts';

describe('API keys', () => {
  it('parses what it generates, and to the same digest', () => {
    const { keyId, key, digest } = generateApiKey();
    expect(key).toMatch(/^alga_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
    const parsed = parseApiKey(key);
    expect(parsed?.keyId).toBe(keyId);
    expect(parsed && sameDigest(parsed.digest, digest)).toBe(true);
  });

  it('generates different keys every time', () => {
    expect(generateApiKey().key).not.toBe(generateApiKey().key);
  });

  it.each([
    '',
    'alga_',
    'alga_0123456789abcdef_short',
    `alga_0123456789ABCDEF_${'a'.repeat(43)}`,
    `x${generateApiKey().key}`,
    `${generateApiKey().key}\n`,
  ])('refuses %j', (text) => {
    expect(parseApiKey(text)).toBeUndefined();
  });

  it('gives a changed secret another digest', () => {
    const { key, digest } = generateApiKey();
    const last = key.endsWith('A') ? 'B' : 'A';
    const parsed = parseApiKey(key.slice(0, -1) + last);
    expect(parsed && sameDigest(parsed.digest, digest)).toBe(false);
  });
});
