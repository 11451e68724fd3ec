import { z } from 'zod';
import { listRecords, putRecord, type StorageEntry } from '../../core/api/host-storage.ts';
import { scopeAllows } from '../../core/capabilities.ts';
import type { HostReply } from '../engine/engine.ts';
import type { Capability, HostFunction } from './capability.ts';

const U64 = z.bigint().min(0n).max(0xffff_ffff_ffff_ffffn);
const bytes = z.custom<Uint8Array>((value) => ArrayBuffer.isView(value));

const key = z.tuple([z.string(), z.string()]);
const put = z.tuple([
  z.object({ namespace: z.string(), key: z.string(), value: bytes, revision: U64.optional() }),
]);
const list = z.tuple([z.string(), z.string().optional()]);

// What the gateway answers; a revision is a number in JSON and far below 2^53.
const entry = putRecord.answers[200];
const entries = listRecords.answers[200];

const ERRORS = new Map([
  ['STORAGE_MISSING', 'missing'],
  ['STORAGE_CONFLICT', 'conflict'],
  ['CAPABILITY_NOT_GRANTED', 'denied'],
]);

function toGuest({ namespace, key, valueB64, revision }: StorageEntry) {
  return { namespace, key, value: Buffer.from(valueB64, 'base64'), revision: BigInt(revision) };
}

/** Records of the install, kept by the gateway. The scope may name the only namespaces. */
export const storageCapability: Capability = {
  name: 'storage.kv',
  bind(call, scope, { hostApi }) {
    const ask = async (
      verb: string,
      body: { namespace: string } & Record<string, unknown>,
      answer: (body: unknown) => HostReply,
    ): Promise<HostReply> => {
      if (!scopeAllows(scope, 'namespaces', body.namespace)) return { err: 'denied' };
      const reply = await hostApi.call(`storage/${verb}`, body, call);
      return 'code' in reply ? { err: ERRORS.get(reply.code) ?? 'internal' } : answer(reply.body);
    };

    const functions: Record<string, HostFunction> = {
      get: (args) => {
        const [namespace, name] = key.parse(args);
        return ask('get', { namespace, key: name }, (body) => ({ ok: toGuest(entry.parse(body)) }));
      },
      put: (args) => {
        const [{ namespace, key: name, value, revision }] = put.parse(args);
        const valueB64 = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
        // A revision that JSON cannot hold exactly is none we ever gave out.
        if (revision !== undefined && revision > BigInt(Number.MAX_SAFE_INTEGER)) return { err: 'conflict' };
        const expected = revision === undefined ? {} : { revision: Number(revision) };
        return ask('put', { namespace, key: name, valueB64, ...expected }, (body) => ({
          ok: toGuest(entry.parse(body)),
        }));
      },
      delete: (args) => {
        const [namespace, name] = key.parse(args);
        return ask('delete', { namespace, key: name }, () => ({ ok: undefined }));
      },
      'list-entries': (args) => {
        const [namespace, cursor] = list.parse(args);
        const page = cursor === undefined ? { namespace } : { namespace, cursor };
        return ask('list', page, (body) => ({ ok: entries.parse(body).entries.map(toGuest) }));
      },
    };
    return { storage: functions };
  },
};
