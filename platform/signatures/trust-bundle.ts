import { createHash, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { canonicalJson } from '../../core/canonical-json.ts';
import { PlatformError, type Issue } from '../../core/errors.ts';
import { issuesOf } from '../../core/issues.ts';
import { trustBundleFile, type NewTrustKey } from '../../core/trust-bundle.ts';
import type { TrustBundle, TrustKey } from '../../core/trust.ts';
import { readPublicKey } from '../tokens/ed25519.ts';
import { keyIdOf } from './dsse.ts';

/** A trust bundle of its JSON text. Throws CONFIG_INVALID with every fault and where it is; see docs/examples/trust-bundle.json. */
export function parseTrustBundle(text: string): TrustBundle {
  const file = trustBundleFile.safeParse(parseJson(text), { reportInput: true });
  if (!file.success) throw invalid(issuesOf(file.error));
  const issues: Issue[] = [];
  const keys: TrustKey[] = [];
  for (const [at, { state, reason, ...fields }] of file.data.keys.entries()) {
    const path = `keys[${at}]`;
    const read = readTrustKey(fields, path);
    if ('issue' in read) {
      issues.push(read.issue);
      continue;
    }
    const { keyId } = read.key;
    if (keys.some((before) => before.keyId === keyId)) {
      const message = `is the key ${keyId}, which stands before it already; a key stands here once`;
      issues.push({ path, code: 'duplicate', message });
    }
    keys.push({ ...read.key, state, ...(reason !== undefined && { reason }) });
  }
  if (issues.length > 0) throw invalid(issues);
  return { threshold: file.data.threshold, keys };
}

/** Hex sha256 by which trust bundles are told apart; null of none. */
export function trustBundleDigest(bundle: TrustBundle | undefined): string | null {
  return bundle ? createHash('sha256').update(canonicalJson(bundle)).digest('hex') : null;
}

/** An active key of what a person wrote, or what is wrong with it. `path` is where it stands. */
export function readTrustKey(fields: NewTrustKey, path = ''): { key: TrustKey } | { issue: Issue } {
  const { keyId: said, name, publishers, publicKey, certificate } = fields;
  const fault = (member: string, message: string): { issue: Issue } => ({
    issue: { path: [path, member].filter(Boolean).join('.'), code: 'custom', message },
  });
  const read = certificate === undefined ? readKey(publicKey ?? '') : readCertificate(certificate);
  if (typeof read === 'string') return fault(certificate === undefined ? 'publicKey' : 'certificate', read);
  const keyId = keyIdOf(read.key);
  if (said !== undefined && said !== keyId)
    return fault('keyId', `is not the id of the key, which is ${keyId}`);
  const notBefore = pick([fields.notBefore, read.notBefore], (a, b) => b - a);
  const notAfter = pick([fields.notAfter, read.notAfter], (a, b) => a - b);
  if (notBefore !== undefined && notAfter !== undefined && Date.parse(notBefore) >= Date.parse(notAfter))
    return fault('notAfter', `leaves the key no time: it is valid from ${notBefore} until ${notAfter}`);
  return {
    key: {
      keyId,
      publicKey: read.key.export({ format: 'der', type: 'spki' }).toString('base64'),
      ...(name !== undefined && { name }),
      publishers: [...new Set(publishers)],
      ...(notBefore !== undefined && { notBefore }),
      ...(notAfter !== undefined && { notAfter }),
      state: 'active',
    },
  };
}

interface ReadKey {
  key: KeyObject;
  notBefore?: string;
  notAfter?: string;
}

/** Or what is wrong with it. */
function readKey(text: string): ReadKey | string {
  try {
    const key = text.includes('-----') ? publicKeyOfPem(text) : readPublicKey(text);
    return key.asymmetricKeyType === 'ed25519' ? { key } : notEd25519(key);
  } catch {
    return 'is no public key: give PEM ("-----BEGIN PUBLIC KEY-----") or base64 of the SPKI DER';
  }
}

/** Node would take the public half of a private key, which has no place here, and certificates have a member of their own. */
function publicKeyOfPem(pem: string): KeyObject {
  if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(pem)) throw new Error('no public key');
  return createPublicKey(pem);
}

function readCertificate(pem: string): ReadKey | string {
  try {
    const certificate = new X509Certificate(pem);
    const key = certificate.publicKey;
    if (key.asymmetricKeyType !== 'ed25519') return notEd25519(key);
    return {
      key,
      notBefore: certificate.validFromDate.toISOString(),
      notAfter: certificate.validToDate.toISOString(),
    };
  } catch {
    return 'is no X.509 certificate: give PEM ("-----BEGIN CERTIFICATE-----")';
  }
}

function notEd25519({ asymmetricKeyType }: KeyObject): string {
  return `is a key of type ${asymmetricKeyType ?? 'secret'}; only Ed25519 signs bundles`;
}

function pick(times: (string | undefined)[], order: (a: number, b: number) => number): string | undefined {
  const said = times.filter((time) => time !== undefined);
  return said.sort((a, b) => order(Date.parse(a), Date.parse(b)))[0];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid([{ path: '', code: 'invalid_json', message: 'is not JSON' }]);
  }
}

function invalid(issues: readonly Issue[]): PlatformError {
  const faults = issues.map(({ path, message }) => `  ${path === '' ? 'it' : path} ${message}`).join('\n');
  return new PlatformError('CONFIG_INVALID', `the trust bundle has faults:\n${faults}`, { issues });
}
