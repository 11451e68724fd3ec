import type { KeyObject } from 'node:crypto';
import { json, Router, type RequestHandler, type Response } from 'express';
import {
  deleteRecord,
  getRecord,
  listRecords,
  putRecord,
  type StorageEntry,
} from '../../core/api/host-storage.ts';
import type { StorageCaller, StorageRecord, StorageRecordStore } from '../../platform/db/storage-records.ts';
import { verifyExecutionToken, type ExecutionClaims } from '../../platform/tokens/execution-token.ts';
import { inputOf } from '../request-input.ts';

// Answers are built by name and sent as they are: encoding checks base64, which costs milliseconds for a page of large values.

/** A value at its largest in base64, with room for one that is over the limit to be told so. */
const MAX_BODY = '512kb';

export interface HostStorageDeps {
  records: StorageRecordStore;
  /** Public half of the key that signs execution tokens. */
  tokenKey: KeyObject;
}

/**
 * `POST /host/storage/{get,put,delete,list}` for a runner, on behalf of an execution. The token says whose records; the grant is looked up
 * here on every call, so that a runner cannot widen what was allowed.
 */
export function createHostStorageRouter({ records, tokenKey }: HostStorageDeps): Router {
  const router = Router();
  router.use(requireExecutionToken(tokenKey), json({ limit: MAX_BODY }));

  router.post('/get', async (req, res) => {
    const body = inputOf(getRecord.body, req.body);
    // Side by side: without the grant, what was read goes nowhere.
    const [granted, found] = await Promise.allSettled([
      records.checkGrant(callerOf(res), body.namespace),
      records.get(callerOf(res), body.namespace, body.key),
    ]);
    if (granted.status === 'rejected') throw granted.reason;
    if (found.status === 'rejected') throw found.reason;
    res.json(entryOf(body.namespace, found.value));
  });

  router.post('/put', async (req, res) => {
    const body = inputOf(putRecord.body, req.body);
    const value = Buffer.from(body.valueB64, 'base64');
    await records.checkGrant(callerOf(res), body.namespace);
    const record = { key: body.key, value, revision: body.revision };
    const revision = await records.put(callerOf(res), body.namespace, record);
    res.json(entryOf(body.namespace, { key: body.key, value, revision }));
  });

  router.post('/delete', async (req, res) => {
    const body = inputOf(deleteRecord.body, req.body);
    await records.checkGrant(callerOf(res), body.namespace);
    await records.remove(callerOf(res), body.namespace, body.key);
    res.json({});
  });

  router.post('/list', async (req, res) => {
    const body = inputOf(listRecords.body, req.body);
    await records.checkGrant(callerOf(res), body.namespace);
    const page = await records.list(callerOf(res), body.namespace, body.cursor);
    res.json({ entries: page.map((record) => entryOf(body.namespace, record)) });
  });
  return router;
}

/** Tokens that were verified; one execution presents the same one on each of its calls. */
const MAX_VERIFIED = 1_000;

function requireExecutionToken(tokenKey: KeyObject): RequestHandler {
  const verified = new Map<string, ExecutionClaims>();

  async function claimsOf(token: string): Promise<ExecutionClaims> {
    const known = verified.get(token);
    if (known && known.exp * 1000 > Date.now()) return known;
    verified.delete(token);
    const claims = await verifyExecutionToken(tokenKey, token, undefined);
    verified.set(token, claims);
    const oldest = verified.keys().next();
    if (verified.size > MAX_VERIFIED && oldest.done !== true) verified.delete(oldest.value);
    return claims;
  }

  return async (req, res, next) => {
    const claims = await claimsOf(req.get('x-execution-token') ?? '');
    const caller: StorageCaller = {
      tenantId: claims.tenant,
      installId: claims.install,
      versionId: claims.version,
    };
    res.locals['caller'] = caller;
    next();
  };
}

function callerOf(res: Response): StorageCaller {
  return (res.locals as { caller: StorageCaller }).caller;
}

function entryOf(namespace: string, { key, value, revision }: StorageRecord): StorageEntry {
  return { namespace, key, valueB64: value.toString('base64'), revision };
}
