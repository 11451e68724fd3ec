import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { z } from 'zod';
import { finalizeUpload, initiateUpload, readUpload } from '../../core/api/uploads.ts';
import { expectStatus } from './extensions.ts';
import type { Answer, Request, TestPlatform } from './platform.ts';

const PAUSE_MS = 100;

/** A bundle that one tenant publishes. */
export interface TenantBundle {
  key: string;
  tenantId: string;
  bytes: Uint8Array;
  /** Through the gateway, or to the object store itself. */
  method: 'proxy' | 'presigned';
}

export type Published = z.infer<(typeof finalizeUpload.answers)[201]> & { uploadId: string };

/**
 * Publishes as somebody does who does not give up: what gets no answer, or one that says that the platform cannot do it now, is asked again.
 * What was said of that is added to `heard`. Ends without a version only when `signal` is aborted, or if the bundle is refused.
 */
export async function publishPersistently(
  platform: Pick<TestPlatform, 'request'>,
  { key, bytes, method }: TenantBundle,
  { heard, signal }: { heard: Set<string>; signal: AbortSignal },
): Promise<Published> {
  async function ask(verb: string, route: string, request: Omit<Request, 'key'> = {}): Promise<Answer> {
    for (;;) {
      signal.throwIfAborted();
      // Without an answer: the gateway was killed.
      const answer = await platform.request(verb, route, { key, ...request }).catch(() => undefined);
      if (answer && answer.status < 500) return answer;
      if (answer) heard.add(`${answer.status} ${(answer.json as { code: string }).code}`);
      await delay(PAUSE_MS);
    }
  }

  async function sendParts(uploadId: string): Promise<void> {
    for (;;) {
      const answer = await ask('GET', `/api/ext-bundles/uploads/${uploadId}`);
      const { parts, partSize = 0 } = readUpload.answers[200].parse(answer.json);
      if (parts.length === 0) return;
      for (const { number, url } of parts) {
        const body = new Uint8Array(bytes.subarray((number - 1) * partSize, number * partSize));
        await fetch(url, { method: 'PUT', body, signal }).catch(() => undefined); // the store was killed: reading tells
      }
    }
  }

  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const json = { filename: 'bundle.tar.zst', size: bytes.byteLength, sha256, method };
  const begun = await ask('POST', '/api/ext-bundles/initiate-upload', { json });
  expectStatus(begun, 201);
  const { uploadId } = initiateUpload.answers[201].parse(begun.json);
  if (method === 'presigned') await sendParts(uploadId);
  else {
    const headers = { 'content-type': 'application/zstd' };
    const route = `/api/ext-bundles/upload-proxy?uploadId=${uploadId}`;
    expectStatus(await ask('PUT', route, { bytes, headers }), 200);
  }
  for (;;) {
    const request = { json: { uploadId }, headers: { prefer: 'wait=5' } };
    const answer = await ask('POST', '/api/ext-bundles/finalize', request);
    if (answer.status === 202) continue; // it is under way, or may not have been told
    expectStatus(answer, 201);
    return { uploadId, ...finalizeUpload.answers[201].parse(answer.json) };
  }
}
