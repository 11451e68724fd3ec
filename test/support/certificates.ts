import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

interface Certificate {
  /** PEM, both. */
  cert: string;
  key: string;
}

/** An authority, and what it signed: a server called `localhost`, and a client. */
export interface Certificates {
  ca: string;
  server: Certificate;
  client: Certificate;
}

/** By OpenSSL, which comes with Debian's certificates. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'alga-certificates-'));
  const file = (name: string): string => path.join(folder, name);
  const run = (...args: string[]): Promise<unknown> => promisify(execFile)('openssl', args, { cwd: folder });
  const signed = async (name: string, extensions: string): Promise<Certificate> => {
    await writeFile(file(`${name}.ext`), extensions);
    await run(
      'req',
      '-new',
      ...NEW_KEY,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/CN=${name}`,
    );
    await run('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-days', '2', '-out', `${name}.pem`, '-extfile', `${name}.ext`); // prettier-ignore
    return {
      cert: await readFile(file(`${name}.pem`), 'utf8'),
      key: await readFile(file(`${name}.key`), 'utf8'),
    };
  };
  try {
    await run('req', '-x509', ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=authority'); // prettier-ignore
    return {
      ca: await readFile(file('ca.pem'), 'utf8'),
      server: await signed('server', 'subjectAltName=DNS:localhost'),
      client: await signed('client', 'extendedKeyUsage=clientAuth'),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
