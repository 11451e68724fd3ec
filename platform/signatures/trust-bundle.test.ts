import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isPlatformError } from '../../core/errors.ts';
import { TRUST_KEY_STATES } from '../../core/trust.ts';
import { newSigner } from '../../test/support/signing.ts';
import { keyIdOf } from './dsse.ts';
import { parseTrustBundle } from './trust-bundle.ts';

const { publicKey } = generateKeyPairSync('ed25519');
const pem = publicKey.export({ format: 'pem', type: 'spki' });
const der = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
const EXAMPLE = readFileSync(
  path.resolve(import.meta.dirname, '../../docs/examples/trust-bundle.json'),
  'utf8',
);
const certificate = (JSON.parse(EXAMPLE) as { keys: { certificate?: string }[] }).keys.find(
  (key) => key.certificate !== undefined,
)?.certificate;

const parse = (bundle: unknown) => parseTrustBundle(JSON.stringify(bundle));
const of = (...keys: object[]) => ({ version: 1, keys });

/** Where the faults are, and what they are. */
function faultsOf(bundle: unknown): [string, string][] {
  try {
    parse(bundle);
  } catch (err) {
    if (!isPlatformError(err) || err.code !== 'CONFIG_INVALID') throw err;
    return err.issues.map((issue) => [issue.path, issue.message]);
  }
  return [];
}

describe('a trust bundle', () => {
  it('reads as its documentation shows one', () => {
    const { threshold, keys } = parseTrustBundle(EXAMPLE);
    expect(threshold).toBe(1);
    expect(keys.map(({ state, publishers }) => ({ state, publishers }))).toEqual([
      { state: 'active', publishers: ['nine-minds'] },
      { state: 'active', publishers: ['acme', 'acme-labs'] },
      { state: 'retired', publishers: ['*'] },
    ]);
  });

  it.each([
    ['PEM', pem],
    ['base64 of DER', der],
  ])('takes a key as %s, under the id that it has', (_form, text) => {
    expect(parse(of({ publicKey: text, publishers: ['acme', 'acme'] })).keys).toEqual([
      { keyId: keyIdOf(publicKey), publicKey: der, publishers: ['acme'], state: 'active' },
    ]);
  });

  it('takes a certificate for its key, and the dates that both it and the bundle allow', () => {
    const [key] = parse(of({ certificate, publishers: ['*'], notAfter: '2030-01-01T00:00:00Z' })).keys;
    expect(key).toMatchObject({ notBefore: '2026-01-01T00:00:00.000Z', notAfter: '2030-01-01T00:00:00Z' });
    const later = parse(of({ certificate, publishers: ['*'], notAfter: '2999-01-01T00:00:00Z' })).keys[0];
    expect(later?.notAfter).toBe('2035-12-31T23:59:59.000Z');
  });

  it('may have no key: then nothing can be signed', () => {
    expect(parse({ version: 1, threshold: 2, keys: [] })).toEqual({ threshold: 2, keys: [] });
  });

  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
    format: 'pem',
    type: 'spki',
  });
  const secret = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
  it.each([
    ['another version', { version: 2, keys: [] }, 'version', 'must be 1'],
    ['no keys', { version: 1 }, 'keys', 'is missing'],
    ['a threshold of none', { version: 1, threshold: 0, keys: [] }, 'threshold', ''],
    ['a word that is not known', { version: 1, keys: [], policy: 'optional' }, 'policy', 'not a known key'],
    [
      'neither form of a key',
      of({ publishers: ['acme'] }),
      'keys[0].publicKey',
      'either publicKey or certificate',
    ],
    ['both forms', of({ publicKey: pem, certificate, publishers: ['acme'] }), 'keys[0].publicKey', 'either'],
    ['nobody to sign for', of({ publicKey: pem }), 'keys[0].publishers', 'is missing'],
    [
      'an empty scope',
      of({ publicKey: pem, publishers: [] }),
      'keys[0].publishers',
      'must have at least 1 item',
    ],
    [
      'a name for a slug',
      of({ publicKey: pem, publishers: ['Nine Minds'] }),
      'keys[0].publishers[0]',
      'slug',
    ],
    [
      'a key that is none',
      of({ publicKey: 'key', publishers: ['*'] }),
      'keys[0].publicKey',
      'is no public key',
    ],
    ['a private key', of({ publicKey: secret, publishers: ['*'] }), 'keys[0].publicKey', 'is no public key'],
    ['a key of another kind', of({ publicKey: rsa, publishers: ['*'] }), 'keys[0].publicKey', 'type rsa'],
    [
      'a certificate that is none',
      of({ certificate: pem, publishers: ['*'] }),
      'keys[0].certificate',
      'no X.509',
    ],
    [
      'an id of another',
      of({ publicKey: pem, keyId: 'a', publishers: ['*'] }),
      'keys[0].keyId',
      keyIdOf(publicKey),
    ],
    [
      'a state that is not known',
      of({ publicKey: pem, publishers: ['*'], state: 'on' }),
      'keys[0].state',
      'active',
    ],
    [
      'a time without a zone',
      of({ publicKey: pem, publishers: ['*'], notAfter: '2027-01-01' }),
      'keys[0].notAfter',
      'zone',
    ],
    [
      'no time at all',
      of({
        publicKey: pem,
        publishers: ['*'],
        notBefore: '2027-01-01T00:00:00Z',
        notAfter: '2026-01-01T00:00:00Z',
      }),
      'keys[0].notAfter',
      'no time',
    ],
    [
      'a key twice',
      of({ publicKey: pem, publishers: ['a'] }, { publicKey: der, publishers: ['b'] }),
      'keys[1]',
      'once',
    ],
  ])('with %s is refused, and told where', (_what, bundle, where, why) => {
    expect(faultsOf(bundle)).toEqual([[where, expect.stringContaining(why)]]);
  });

  it('is told all its faults at once', () => {
    const bundle = of({ publicKey: 'a', publishers: ['*'] }, { certificate: 'b', publishers: ['*'] });
    expect(faultsOf(bundle).map(([where]) => where)).toEqual(['keys[0].publicKey', 'keys[1].certificate']);
    expect(faultsOf({ version: 3, keys: [{ state: 'x' }] }).map(([where]) => where)).toEqual([
      'version',
      'keys[0].publishers',
      'keys[0].state',
    ]);
  });

  it('of any JSON is read or refused, and trusts no key but those that stand in it', () => {
    const { trusted } = newSigner();
    const key = fc.record(
      {
        publicKey: fc.oneof(fc.constant(trusted.publicKey), fc.base64String(), fc.string()),
        certificate: fc.oneof(fc.constant(certificate ?? ''), fc.string()),
        keyId: fc.oneof(fc.constant(trusted.keyId), fc.string()),
        publishers: fc.oneof(fc.constant(['*']), fc.array(fc.string())),
        notBefore: fc.oneof(fc.constant('2026-01-01T00:00:00Z'), fc.string()),
        notAfter: fc.oneof(fc.constant('2027-01-01T00:00:00Z'), fc.string()),
        state: fc.oneof(fc.constantFrom(...TRUST_KEY_STATES), fc.string()),
      },
      { requiredKeys: [] },
    );
    const almost = fc.record({ version: fc.constant(1), threshold: fc.integer(), keys: fc.array(key) });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          almost.map((value) => JSON.stringify(value)),
        ),
        (text) => {
          try {
            const { threshold, keys } = parseTrustBundle(text);
            const known = keys.every(
              ({ publicKey: spki }) => spki === trusted.publicKey || text.includes('CERTIFICATE'),
            );
            return threshold >= 1 && known && keys.every(({ publishers }) => publishers.length > 0);
          } catch (err) {
            return isPlatformError(err) && err.code === 'CONFIG_INVALID' && err.issues.length > 0;
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
