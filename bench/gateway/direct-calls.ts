import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeFrame } from '../../core/execute-frame.ts';
import { EXECUTE_FRAME_TYPE, runnerAnnouncement, type SentExecuteRequest } from '../../core/execute.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { readPrivateKey } from '../../platform/tokens/ed25519.ts';
import { executionTokenKey, expiryOf, makeExecutionToken } from '../../platform/tokens/execution-token.ts';
import { createSealer, requestKey } from '../../platform/tokens/request-seal.ts';
import type { LocalPlatform } from '../local-platform.ts';
import { BODY, type Installed } from './field.ts';

const TIMEOUT_MS = 60_000;

interface Secrets {
  tokens: { gatewayToRunner: string };
  executionToken: { privateKey: string };
}

/** What the gateway would send the runner for calls of an install, each with a token and a seal of its own. */
export async function sealedRequests(
  { runner }: LocalPlatform,
  dataDir: string,
  { install }: Installed,
): Promise<(count: number) => Buffer[]> {
  const secrets = JSON.parse(readFileSync(join(dataDir, 'secrets.json'), 'utf8')) as Secrets;
  const tokenKey = executionTokenKey(readPrivateKey(secrets.executionToken.privateKey));
  const seal = createSealer(requestKey(new SecretValue(secrets.tokens.gatewayToRunner), runner));
  const { seal_epoch: epoch = '' } = runnerAnnouncement.parse(await (await fetch(`${runner}/readyz`)).json());
  const tenantId = randomUUID();

  return (count) =>
    Array.from({ length: count }, () => {
      const request: SentExecuteRequest = {
        context: {
          request_id: 'bench',
          execution_id: randomUUID(),
          tenant_id: tenantId,
          extension_id: install.extensionId,
          install_id: install.installId,
          version_id: randomUUID(),
          content_hash: install.contentHash,
          config_version: 0,
          trigger: 'http',
        },
        http: {
          method: 'POST',
          path: '/echo',
          query: '',
          headers: { 'content-type': 'application/json' },
        },
        limits: { timeout_ms: TIMEOUT_MS, memory_mb: 128, response_bytes: 1_000_000 },
        config: {},
        providers: [{ capability: 'storage.kv', scope: {} }],
      };
      const executionToken = makeExecutionToken(tokenKey, request, 1);
      const body = Buffer.concat(encodeFrame(request, BODY));
      const covered = { path: '/v1/execute', contentType: EXECUTE_FRAME_TYPE, executionToken };
      return httpRequest(covered.path, body, {
        'content-type': covered.contentType,
        'x-execution-token': executionToken,
        ...seal({ ...covered, epoch, body, expiresAt: expiryOf(TIMEOUT_MS) }),
      });
    });
}

/** As bytes for a connection. */
export function httpRequest(path: string, body: Uint8Array, headers: Record<string, string>): Buffer {
  const head = [`POST ${path} HTTP/1.1`, 'host: bench', `content-length: ${body.byteLength}`];
  for (const [name, value] of Object.entries(headers)) head.push(`${name}: ${value}`);
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]);
}
