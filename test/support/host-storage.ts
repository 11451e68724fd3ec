import { HOST_FRAME_TYPE } from '../../core/api/host-storage.ts';
import type { ExecuteRequest } from '../../core/execute.ts';
import { decodeFrame, encodeFrame } from '../../core/execute-frame.ts';
import { executionTokenKey, makeExecutionToken } from '../../platform/tokens/execution-token.ts';
import { seedExecution } from './seed.ts';
import { RUNNER_CREDENTIAL, type InstalledSample, type TestApi } from './start-api.ts';

export interface StorageAnswer {
  status: number;
  type: string | null;
  /** Of the frame, or the JSON there is instead. */
  head: Record<string, unknown>;
  body: Uint8Array;
  size: number;
}

/** A token as the gateway makes it, for an execution that is in flight unless another is given. */
export async function tokenFor(
  api: Pick<TestApi, 'db' | 'tokenKey'>,
  install: InstalledSample,
  { timeoutMs = 5_000, executionId }: { timeoutMs?: number; executionId?: string } = {},
): Promise<string> {
  const { tenantId, extensionId, installId, versionId, contentHash } = install;
  const request: ExecuteRequest = {
    context: {
      request_id: 'r',
      execution_id: executionId ?? (await seedExecution(api.db, tenantId, install)),
      tenant_id: tenantId,
      extension_id: extensionId,
      install_id: installId,
      version_id: versionId,
      content_hash: contentHash,
      config_version: 0,
      trigger: 'http',
    },
    http: { method: 'GET', path: '/', query: '', headers: {} },
    limits: { timeout_ms: timeoutMs, memory_mb: 64, response_bytes: 1024 },
    config: {},
    providers: [],
  };
  return makeExecutionToken(executionTokenKey(api.tokenKey), request, 1);
}

interface Asked {
  token: string;
  value?: Uint8Array;
  signal?: AbortSignal;
}

/** Asks the gateway as a runner of this release does: answers, and a value that is sent, are framed. */
export function askStorage(
  api: Pick<TestApi, 'internalUrl'>,
  verb: 'get' | 'put' | 'delete' | 'list',
  head: unknown,
  asked: Asked,
): Promise<StorageAnswer> {
  return askHost(api, `storage/${verb}`, head, asked);
}

/** The same of any host call, by its path below `/api/internal/host/`. */
export async function askHost(
  api: Pick<TestApi, 'internalUrl'>,
  path: string,
  head: unknown,
  { token, value, signal }: Asked,
): Promise<StorageAnswer> {
  const response = await fetch(`${api.internalUrl}/api/internal/host/${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${RUNNER_CREDENTIAL}`,
      'x-execution-token': token,
      'content-type': value ? HOST_FRAME_TYPE : 'application/json',
      accept: `${HOST_FRAME_TYPE}, application/json;q=0.5`,
    },
    body: value ? Buffer.concat(encodeFrame(head, value)) : JSON.stringify(head),
    ...(signal && { signal }),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const type = response.headers.get('content-type');
  const answer = { status: response.status, type, size: bytes.byteLength };
  const frame = type === HOST_FRAME_TYPE ? decodeFrame(bytes) : undefined;
  if (frame) return { ...answer, head: frame.head as StorageAnswer['head'], body: frame.body };
  const json = JSON.parse(Buffer.from(bytes).toString()) as StorageAnswer['head'];
  return { ...answer, head: json, body: new Uint8Array() };
}
