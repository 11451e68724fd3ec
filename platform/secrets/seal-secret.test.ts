import { describe, expect, it } from '@jest/globals';
import { SecretValue } from '../../core/secret-value.ts';
import { openSecret } from './open-secret.ts';
import { sealSecret } from './seal-secret.ts';
import { generateSecretsKeyPair, secretsKeyId } from './sealing-suite.ts';

const binding = { tenantId: 'tenant-a', installId: 'install-a', name: 'API_KEY' };

async function setup() {
  const keys = generateSecretsKeyPair();
  const sealed = await sealSecret(keys.publicKey, binding, new SecretValue('grün ✓'));
  return { keys, sealed };
}

describe('a sealed secret', () => {
  it('opens for the tenant, install and name it was sealed for', async () => {
    const { keys, sealed } = await setup();
    const opened = await openSecret(keys.privateKey, binding, sealed);
    expect(opened.reveal()).toBe('grün ✓');
    expect(String(opened)).not.toContain('grün');
  });

  it.each([
    ['tenant', { tenantId: 'tenant-b' }],
    ['install', { installId: 'install-b' }],
    ['name', { name: 'OTHER' }],
  ])('does not open for another %s', async (_what, other) => {
    const { keys, sealed } = await setup();
    await expect(openSecret(keys.privateKey, { ...binding, ...other }, sealed)).rejects.toMatchObject({
      code: 'SECRET_UNREADABLE',
    });
  });

  it('does not open with another key', async () => {
    const { sealed } = await setup();
    const { privateKey } = generateSecretsKeyPair();
    await expect(openSecret(privateKey, binding, sealed)).rejects.toMatchObject({
      code: 'SECRET_UNREADABLE',
    });
  });

  it.each([0, 31, 32, 40])('does not open when byte %d is damaged', async (at) => {
    const { keys, sealed } = await setup();
    const bytes = Buffer.from(sealed, 'base64');
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await expect(openSecret(keys.privateKey, binding, bytes.toString('base64'))).rejects.toMatchObject({
      code: 'SECRET_UNREADABLE',
    });
  });

  it('does not open when it is cut short or empty', async () => {
    const { keys, sealed } = await setup();
    for (const cut of [sealed.slice(0, 40), '']) {
      await expect(openSecret(keys.privateKey, binding, cut)).rejects.toMatchObject({
        code: 'SECRET_UNREADABLE',
      });
    }
  });

  it('is different each time', async () => {
    const { keys, sealed } = await setup();
    expect(await sealSecret(keys.publicKey, binding, new SecretValue('grün ✓'))).not.toBe(sealed);
  });

  it('names its key by the first 16 hex digits of the sha256 of the public half', () => {
    expect(secretsKeyId(Buffer.alloc(32).toString('base64'))).toBe('66687aadf862bd77');
  });
});
