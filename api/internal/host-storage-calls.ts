import { setTimeout as delay } from 'node:timers/promises';
import { json, raw, type RequestHandler, type Response } from 'express';
import { HOST_FRAME_TYPE } from '../../core/api/host-storage.ts';
import { encodeFrame } from '../../core/execute-frame.ts';
import { createBoundedTurns } from '../../platform/bounded-turns.ts';
import type { StorageCaller, StoragePiece, StorageRecordStore } from '../../platform/db/storage-records.ts';
import type { ExecutionTokens } from '../execution/execution-tokens.ts';
import { hostCallOf, requireExecutionToken } from './host-caller.ts';

/** A value at its largest in base64, or as many bytes of values as one call may bring, and room for what is over a limit to be told so. */
const MAX_BODY = '512kb';

/** Host calls of one tenant: they share the database and this process with everybody's. */
const CALLS = { atOnce: 4, waiting: 64 };
/** Of those, pieces of lists: the largest answers there are. */
const PIECES = { atOnce: 1, waiting: 64 };
/** Writes of one install: the database lets one after the other through, and each that waits there holds a connection. */
const WRITES = { atOnce: 1, waiting: 64 };

/** What every call of storage goes through: the token, then a body of JSON or a frame. */
export function receiveStorageCall(executionTokens: Pick<ExecutionTokens, 'check'>): RequestHandler[] {
  return [
    requireExecutionToken(executionTokens),
    json({ limit: MAX_BODY }),
    raw({ type: HOST_FRAME_TYPE, limit: MAX_BODY }),
  ];
}

/** Host calls in turns, each for the execution whose token it presented. */
export interface StorageCalls {
  inTurn<Result>(res: Response, work: (caller: StorageCaller) => Promise<Result>): Promise<Result>;
  /** Waits for the install's other writes, and holds none of the tenant's places meanwhile. */
  inWriteTurn<Result>(
    res: Response,
    namespace: string,
    work: (caller: StorageCaller) => Promise<Result>,
  ): Promise<Result>;
  /** Rests after a piece that is not the last. */
  readPiece(
    res: Response,
    namespace: string,
    read: (caller: StorageCaller) => Promise<StoragePiece>,
  ): Promise<StoragePiece>;
}

export function createStorageCalls(records: Pick<StorageRecordStore, 'check'>): StorageCalls {
  const calls = createBoundedTurns(CALLS);
  const pieces = createBoundedTurns(PIECES);
  const writes = createBoundedTurns(WRITES);

  const inTurn: StorageCalls['inTurn'] = (res, work) => {
    const { caller, gone } = hostCallOf(res);
    return calls.run(caller.tenantId, gone, () => work(caller));
  };
  return {
    inTurn,
    async inWriteTurn(res, namespace, work) {
      const { caller, gone } = hostCallOf(res);
      await inTurn(res, () => records.check(caller, namespace)); // others need not wait for the answer
      return writes.run(caller.installId, gone, () => inTurn(res, work));
    },
    readPiece(res, namespace, read) {
      const { caller: asking, gone } = hostCallOf(res);
      return pieces.run(asking.tenantId, gone, async () => {
        let begun = 0;
        const piece = await inTurn(res, async (caller) => {
          begun = performance.now();
          await records.check(caller, namespace);
          return read(caller);
        });
        // Parsing and sending it took this process from everybody's calls: twice as much time is theirs.
        if (piece.more) await delay(2 * (performance.now() - begun));
        return piece;
      });
    },
  };
}

/** A head and values, sent as they are: encoding a large answer by its schema costs milliseconds. */
export function sendFrame(res: Response, head: unknown, values: readonly Uint8Array[]): void {
  const parts = [...encodeFrame(head, new Uint8Array()), ...values];
  const length = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  res.writeHead(200, { 'content-type': HOST_FRAME_TYPE, 'content-length': length });
  for (const part of parts) res.write(part); // in one piece: a response is corked until the tick ends
  res.end();
}
