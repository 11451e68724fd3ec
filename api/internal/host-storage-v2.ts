import { Router, type Response } from 'express';
import type { z } from 'zod';
import {
  CALL_LIMITS,
  deleteEntries,
  deleteEntry,
  getEntries,
  getEntry,
  incrementEntry,
  listEntries,
  putEntries,
  type entryHead,
  type recordsHead,
} from '../../core/api/host-storage-v2.ts';
import { PlatformError } from '../../core/errors.ts';
import { decodeFrame } from '../../core/execute-frame.ts';
import type { StoragePiece, StorageRecordStore } from '../../platform/db/storage-records.ts';
import type { NewRecord } from '../../platform/db/storage-writes.ts';
import type { ExecutionTokens } from '../execution/execution-tokens.ts';
import { inputOf } from '../request-input.ts';
import { receiveStorageCall, sendFrame, type StorageCalls } from './host-storage-calls.ts';

export interface HostStorageV2Deps {
  records: Pick<
    StorageRecordStore,
    'get' | 'getAll' | 'put' | 'putAll' | 'remove' | 'removeAll' | 'page' | 'increment'
  >;
  calls: StorageCalls;
  executionTokens: Pick<ExecutionTokens, 'check'>;
}

/** `POST /host/storage-v2/…`: the same records under the same rules, for guests that import `storage-v2`. */
export function createHostStorageV2Router({ records, calls, executionTokens }: HostStorageV2Deps): Router {
  const router = Router();
  router.use(receiveStorageCall(executionTokens));

  router.post('/get', async (req, res) => {
    const { namespace, key } = inputOf(getEntry.body, req.body);
    const record = await calls.inTurn(res, (caller) => records.get(caller, namespace, key));
    const head: z.input<typeof entryHead> = { namespace, key, revision: record.revision, ...endOf(record) };
    sendFrame(res, head, [record.value]);
  });

  router.post('/get-many', async (req, res) => {
    const { namespace, keys } = inputOf(getEntries.body, req.body);
    const read = calls.readPiece(res, namespace, (caller) => records.getAll(caller, namespace, keys));
    sendRecords(res, await read);
  });

  router.post('/list', async (req, res) => {
    const { namespace, prefix, cursor, limit } = inputOf(listEntries.body, req.body);
    const read = calls.readPiece(res, namespace, (caller) =>
      records.page(caller, namespace, { prefix, after: cursor, limit }),
    );
    sendRecords(res, await read);
  });

  router.post('/put', async (req, res) => {
    const { namespace, given } = readPut(req.body);
    const [first, ...others] = given;
    const revisions = await calls.inWriteTurn(res, namespace, async (caller) =>
      first && others.length === 0
        ? [await records.put(caller, namespace, first)]
        : records.putAll(caller, namespace, given),
    );
    res.json({ revisions } satisfies z.input<(typeof putEntries.answers)[200]>);
  });

  router.post('/delete', async (req, res) => {
    const { namespace, key, revision } = inputOf(deleteEntry.body, req.body);
    await calls.inWriteTurn(res, namespace, (caller) => records.remove(caller, namespace, key, revision));
    res.json({});
  });

  router.post('/delete-many', async (req, res) => {
    const { namespace, keys } = inputOf(deleteEntries.body, req.body);
    const removed = await calls.inWriteTurn(res, namespace, (caller) =>
      records.removeAll(caller, namespace, keys),
    );
    res.json({ removed } satisfies z.input<(typeof deleteEntries.answers)[200]>);
  });

  router.post('/increment', async (req, res) => {
    const { namespace, key, delta, initial, ttlSeconds } = inputOf(incrementEntry.body, req.body);
    const start = { ttlSeconds, ...(initial !== undefined && { initial: BigInt(initial) }) };
    const sum = await calls.inWriteTurn(res, namespace, (caller) =>
      records.increment(caller, namespace, { key, delta: BigInt(delta), ...start }),
    );
    res.json({ sum: String(sum) } satisfies z.input<(typeof incrementEntry.answers)[200]>);
  });
  return router;
}

function sendRecords(res: Response, { records, more }: StoragePiece): void {
  const described = records.map((record) => {
    const { key, revision, value } = record;
    return { key, revision, bytes: value.byteLength, ...endOf(record) };
  });
  const head: z.input<typeof recordsHead> = { records: described, more };
  sendFrame(
    res,
    head,
    records.map(({ value }) => value),
  );
}

function endOf({ expiresAt }: { expiresAt: Date | null }): { expiresAt?: number } {
  return expiresAt ? { expiresAt: expiresAt.getTime() } : {};
}

function readPut(body: unknown): { namespace: string; given: NewRecord[] } {
  const frame = Buffer.isBuffer(body) ? decodeFrame(body) : undefined;
  if (!frame) throw new PlatformError('INPUT_INVALID', 'the body is no frame');
  const { namespace, records } = inputOf(putEntries.body, frame.head);
  const { buffer, byteOffset, byteLength } = frame.body;
  if (byteLength > CALL_LIMITS.valueBytes) {
    throw new PlatformError(
      'STORAGE_LIMIT',
      `the values of one call have at most ${CALL_LIMITS.valueBytes} bytes together`,
    );
  }
  if (records.reduce((sum, { bytes }) => sum + bytes, 0) !== byteLength) {
    throw new PlatformError('INPUT_INVALID', 'the head of the frame disagrees with its body');
  }
  let offset = byteOffset;
  const given = records.map(({ bytes, ...record }) => {
    const value = Buffer.from(buffer, offset, bytes);
    offset += bytes;
    return { ...record, value };
  });
  return { namespace, given };
}
