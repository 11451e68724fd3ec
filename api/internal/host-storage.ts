import { setTimeout as delay } from 'node:timers/promises';
import { json, raw, Router, type Request, type RequestHandler, type Response } from 'express';
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
import { decodeFrame, encodeFrame } from '../../core/execute-frame.ts';
import type {
  NewRecord,
  StorageCaller,
  StorageRecord,
  StorageRecordStore,
} from '../../platform/db/storage-records.ts';
import { createBoundedTurns } from '../../platform/bounded-turns.ts';
import type { ExecutionTokens } from '../execution/execution-tokens.ts';
import { inputOf } from '../request-input.ts';

// Answers are built by name and sent as they are: encoding checks base64, which costs milliseconds for a page of large values.

/** A value at its largest in base64, with room for one that is over the limit to be told so. */
const MAX_BODY = '512kb';

/** Host calls of one tenant: they share the database and this process with everybody's. */
const CALLS = { atOnce: 4, waiting: 64 };
/** Of those, pieces of lists: the largest answers there are. */
const PIECES = { atOnce: 1, waiting: 64 };
/** Writes of one install: the database lets one after the other through, and each that waits there holds a connection. */
const WRITES = { atOnce: 1, waiting: 64 };

export interface HostStorageDeps {
  records: Pick<StorageRecordStore, 'check' | 'get' | 'put' | 'remove' | 'list'>;
  executionTokens: Pick<ExecutionTokens, 'check'>;
}

/**
 * `POST /host/storage/{get,put,delete,list}` for a runner, on behalf of an execution. The token says whose records; that the execution is in
 * flight, and its grant, are looked up here on every call, so that a runner cannot widen what was allowed.
 */
export function createHostStorageRouter({ records, executionTokens }: HostStorageDeps): Router {
  const calls = createBoundedTurns(CALLS);
  const pieces = createBoundedTurns(PIECES);
  const writes = createBoundedTurns(WRITES);
  const router = Router();
  router.use(
    requireExecutionToken(executionTokens),
    json({ limit: MAX_BODY }),
    raw({ type: HOST_FRAME_TYPE, limit: MAX_BODY }),
  );

  function inTurn<Result>(res: Response, work: (caller: StorageCaller) => Promise<Result>): Promise<Result> {
    const { caller, gone } = localsOf(res);
    return calls.run(caller.tenantId, gone, () => work(caller));
  }

  /** Waits for the install's other writes, and holds none of the tenant's places meanwhile. */
  async function inWriteTurn<Result>(
    res: Response,
    namespace: string,
    work: (caller: StorageCaller) => Promise<Result>,
  ): Promise<Result> {
    const { caller, gone } = localsOf(res);
    await inTurn(res, () => records.check(caller, namespace)); // others need not wait for the answer
    return writes.run(caller.installId, gone, () => inTurn(res, work));
  }

  router.post('/get', async (req, res) => {
    const { namespace, key } = inputOf(getRecord.body, req.body);
    const { value, revision } = await inTurn(res, (caller) => records.get(caller, namespace, key));
    if (takesFrames(req)) sendFrame(res, { namespace, key, revision }, [value]);
    else res.json(entryOf(namespace, { key, value, revision }));
  });

  router.post('/put', async (req, res) => {
    const { namespace, ...record } = readPut(req.body);
    const revision = await inWriteTurn(res, namespace, (caller) => records.put(caller, namespace, record));
    if (takesFrames(req)) {
      const { key } = record;
      sendFrame(res, { namespace, key, revision }, []);
    } else res.json(entryOf(namespace, { ...record, revision }));
  });

  router.post('/delete', async (req, res) => {
    const { namespace, key } = inputOf(deleteRecord.body, req.body);
    await inWriteTurn(res, namespace, (caller) => records.remove(caller, namespace, key));
    res.json({});
  });

  router.post('/list', async (req, res) => {
    const { namespace, cursor, limit } = inputOf(listRecords.body, req.body);
    const { caller: asking, gone } = localsOf(res);
    const readPiece = (after: string | undefined, rest: number) =>
      pieces.run(asking.tenantId, gone, async () => {
        let begun = 0;
        const piece = await inTurn(res, async (caller) => {
          begun = performance.now();
          await records.check(caller, namespace);
          return records.list(caller, namespace, { after, limit: rest });
        });
        // Parsing and sending it took this process from everybody's calls: twice as much time is theirs.
        if (piece.more) await delay(2 * (performance.now() - begun));
        return piece;
      });
    const piece = await readPiece(cursor, limit);
    if (takesFrames(req)) {
      const described = piece.records.map(({ key, revision, value }) => ({
        key,
        revision,
        bytes: value.byteLength,
      }));
      sendFrame(
        res,
        { records: described, more: piece.more },
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

type Head = z.input<typeof recordHead> | z.input<typeof pieceHead>;

function sendFrame(res: Response, head: Head, values: readonly Uint8Array[]): void {
  const parts = [...encodeFrame(head, new Uint8Array()), ...values];
  const length = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  res.writeHead(200, { 'content-type': HOST_FRAME_TYPE, 'content-length': length });
  for (const part of parts) res.write(part); // in one piece: a response is corked until the tick ends
  res.end();
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

interface Locals {
  caller: StorageCaller;
  /** Aborts when the runner gives the call up. */
  gone: AbortSignal;
}

function requireExecutionToken({ check }: HostStorageDeps['executionTokens']): RequestHandler {
  return async (req, res, next) => {
    const { tenant, install, version, execution } = await check(req.get('x-execution-token') ?? '');
    const gone = new AbortController();
    res.once('close', () => {
      gone.abort(new PlatformError('CONCURRENCY_LIMITED', 'the runner gave up before the turn of its call'));
    });
    const locals: Locals = {
      caller: { tenantId: tenant, installId: install, versionId: version, executionId: execution },
      gone: gone.signal,
    };
    Object.assign(res.locals, locals);
    next();
  };
}

function localsOf(res: Response): Locals {
  return res.locals as unknown as Locals;
}

function entryOf(namespace: string, { key, value, revision }: StorageRecord): StorageEntry {
  return { namespace, key, valueB64: value.toString('base64'), revision };
}
