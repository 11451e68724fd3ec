import { Router, type Request } from 'express';
import type { z } from 'zod';
import {
  deleteRecord,
  getRecord,
  HOST_FRAME_TYPE,
  listRecords,
  putHead,
  putRecord,
  type pieceHead,
  type recordHead,
  type StorageEntry,
} from '../../core/api/host-storage.ts';
import { PlatformError } from '../../core/errors.ts';
import { decodeFrame } from '../../core/execute-frame.ts';
import type { StorageRecord, StorageRecordStore } from '../../platform/db/storage-records.ts';
import type { NewRecord } from '../../platform/db/storage-writes.ts';
import type { ExecutionTokens } from '../execution/execution-tokens.ts';
import { inputOf } from '../request-input.ts';
import { receiveStorageCall, sendFrame, type StorageCalls } from './host-storage-calls.ts';

// Answers are built by name and sent as they are: encoding checks base64, which costs milliseconds for a page of large values.

export interface HostStorageDeps {
  records: Pick<StorageRecordStore, 'get' | 'put' | 'remove' | 'list'>;
  calls: StorageCalls;
  executionTokens: Pick<ExecutionTokens, 'check'>;
}

/**
 * `POST /host/storage/{get,put,delete,list}` for a runner, on behalf of an execution. The token says whose records; that the execution is in
 * flight, and its grant, are looked up here on every call, so that a runner cannot widen what was allowed.
 */
export function createHostStorageRouter({ records, calls, executionTokens }: HostStorageDeps): Router {
  const router = Router();
  router.use(receiveStorageCall(executionTokens));

  router.post('/get', async (req, res) => {
    const { namespace, key } = inputOf(getRecord.body, req.body);
    const { value, revision } = await calls.inTurn(res, (caller) => records.get(caller, namespace, key));
    if (takesFrames(req)) {
      const head: z.input<typeof recordHead> = { namespace, key, revision };
      sendFrame(res, head, [value]);
    } else res.json(entryOf(namespace, { key, value, revision }));
  });

  router.post('/put', async (req, res) => {
    const { namespace, ...record } = readPut(req.body);
    const revision = await calls.inWriteTurn(res, namespace, (caller) =>
      records.put(caller, namespace, record),
    );
    const { key, value } = record;
    if (takesFrames(req)) {
      const head: z.input<typeof recordHead> = { namespace, key, revision };
      sendFrame(res, head, []);
    } else res.json(entryOf(namespace, { key, value, revision }));
  });

  router.post('/delete', async (req, res) => {
    const { namespace, key } = inputOf(deleteRecord.body, req.body);
    await calls.inWriteTurn(res, namespace, (caller) => records.remove(caller, namespace, key));
    res.json({});
  });

  router.post('/list', async (req, res) => {
    const { namespace, cursor, limit } = inputOf(listRecords.body, req.body);
    const readPiece = (after: string | undefined, rest: number) =>
      calls.readPiece(res, namespace, (caller) => records.list(caller, namespace, { after, limit: rest }));
    const piece = await readPiece(cursor, limit);
    if (takesFrames(req)) {
      const described = piece.records.map(({ key, revision, value }) => ({
        key,
        revision,
        bytes: value.byteLength,
      }));
      const head: z.input<typeof pieceHead> = { records: described, more: piece.more };
      sendFrame(
        res,
        head,
        piece.records.map(({ value }) => value),
      );
      return;
    }
    // An older runner takes what it is answered for the whole page.
    const page = piece.records;
    for (let { more } = piece; more;) {
      const next = await readPiece(page.at(-1)?.key, limit - page.length);
      page.push(...next.records);
      more = next.more;
    }
    res.json({ entries: page.map((record) => entryOf(namespace, record)) });
  });
  return router;
}

function takesFrames(req: Request): boolean {
  return req.accepts(['application/json', HOST_FRAME_TYPE]) === HOST_FRAME_TYPE;
}

/** A put in a frame or, from an older runner, in JSON. */
function readPut(body: unknown): NewRecord & { namespace: string } {
  if (Buffer.isBuffer(body)) {
    const frame = decodeFrame(body);
    if (!frame) throw new PlatformError('INPUT_INVALID', 'the body is no frame');
    const { buffer, byteOffset, byteLength } = frame.body;
    return { ...inputOf(putHead, frame.head), value: Buffer.from(buffer, byteOffset, byteLength) };
  }
  const { valueB64, ...head } = inputOf(putRecord.body, body);
  return { ...head, value: Buffer.from(valueB64, 'base64') };
}

function entryOf(
  namespace: string,
  { key, value, revision }: Omit<StorageRecord, 'expiresAt'>,
): StorageEntry {
  return { namespace, key, valueB64: value.toString('base64'), revision };
}
