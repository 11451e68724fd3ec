import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream';
import { createServer, type Server } from 'node:tls';
import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../../starter/ports.ts';
import { makeCertificates, type Certificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';
import { createTestNamespace, TEST_CODEC_KEY, type TestNamespace } from '../support/workflow-environment.ts';

let folder: string;
let temporal: TestNamespace;
let certificates: Certificates;
let front: Server;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'alga-temporal-entry-'));
  temporal = await createTestNamespace();
  certificates = await makeCertificates();
  const { cert, key } = certificates.server;
  const [host = '', port] = temporal.address.split(':');
  const demands = { ca: certificates.ca, requestCert: true, rejectUnauthorized: true };
  front = createServer({ cert, key, ...demands, ALPNProtocols: ['h2'] }, (socket) => {
    pipeline(socket, connect(Number(port), host), socket, () => undefined);
  });
  front.on('tlsClientError', () => undefined); // who is not let in is told by TLS
  await once(front.listen(0, '127.0.0.1'), 'listening');
});
afterAll(async () => {
  front.close();
  await temporal.close();
  await rm(folder, { recursive: true });
});

/** Its start makes both of the SDK's connections: it polls by one, and starts a workflow by the other. */
function start(entry: Readonly<Record<string, string>>, healthPort: number): WorkerProcess {
  return startWorkerProcess({
    WORKER_KIND: 'precompile',
    TEMPORAL_ADDRESS: `localhost:${(front.address() as AddressInfo).port}`,
    TEMPORAL_NAMESPACE: temporal.namespace,
    PAYLOAD_CODEC_KEY: TEST_CODEC_KEY.reveal(),
    STORAGE_FOLDER: path.join(folder, 'objects'),
    ARTIFACT_SIGNING_PRIVATE_KEY: generateKeyPairSync('ed25519')
      .privateKey.export({ type: 'pkcs8', format: 'der' })
      .toString('base64'),
    WORKER_HEALTH_PORT: String(healthPort),
    ...entry,
  });
}

describe('a Temporal that is reached by TLS and lets nobody in without a certificate', () => {
  it('takes a worker that has one, and knows the authority of the server', async () => {
    const port = await freePort();
    const { cert, key } = certificates.client;
    const entry = { TEMPORAL_TLS_CLIENT_CERT: cert, TEMPORAL_TLS_CLIENT_KEY: key };
    const worker = start({ ...entry, TEMPORAL_TLS_SERVER_CA_CERT: certificates.ca }, port);
    await eventually(async () => expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200));
    await eventually(async () => {
      const { count } = await temporal.client.workflow.count();
      expect(count).toBeGreaterThan(0);
    });
    expect(await worker.stop()).toBe(0);
  });

  it.each<[string, (made: Certificates) => Record<string, string>]>([
    ['has none', ({ ca }) => ({ TEMPORAL_TLS_SERVER_CA_CERT: ca })],
    ['trusts others than the server', () => ({ TEMPORAL_TLS: 'true' })],
    ['speaks without TLS', () => ({})],
  ])('has a worker end that %s', async (_, entry) => {
    const worker = start(entry(certificates), await freePort());
    expect(await worker.exited).not.toBe(0);
    expect(worker.output()).toMatch(/Temporal|transport|connect/i);
  });
});
