import { z } from 'zod';
import {
  CALL_LIMITS,
  deleteEntries,
  entryHead,
  incrementEntry,
  putEntries,
  recordsHead,
} from '../../core/api/host-storage-v2.ts';
import { PlatformError } from '../../core/errors.ts';
import type { HostReply, WitValue } from '../engine/engine.ts';
import type { HostApiAnswer, HostFunction } from './capability.ts';

/** Asks the gateway, where the scope allows the namespace. */
export type AskStorage = (
  verb: string,
  body: { namespace: string } & Record<string, unknown>,
  values?: Uint8Array,
) => Promise<HostApiAnswer>;

type Refusal = Extract<HostApiAnswer, { code: string }>;
type Answer = Exclude<HostApiAnswer, Refusal>;

const U32 = z.int().min(0).max(0xffff_ffff);
const U64 = z.bigint().min(0n).max(0xffff_ffff_ffff_ffffn);
const S64 = z
  .bigint()
  .min(-(2n ** 63n))
  .max(2n ** 63n - 1n);
const bytes = z.custom<Uint8Array>((value) => ArrayBuffer.isView(value));
const text = z.string();

const newEntry = z.object({
  key: text,
  value: bytes,
  revision: U64.optional(),
  ttlSeconds: U32.optional(),
});
const start = z.object({ initial: S64, ttlSeconds: U32.optional() });

const args = {
  get: z.tuple([text, text]),
  put: z.tuple([text, newEntry]),
  delete: z.tuple([text, text, U64.optional()]),
  list: z.tuple([text, text, text.optional(), U32.optional()]),
  increment: z.tuple([text, text, S64, start.optional()]),
  getMany: z.tuple([text, z.array(text)]),
  putMany: z.tuple([text, z.array(newEntry)]),
  deleteMany: z.tuple([text, z.array(text)]),
};

/** As the interface has it. */
interface Entry extends Record<string, WitValue> {
  key: string;
  value: Uint8Array;
  revision: bigint;
  expiresAt: bigint | undefined;
}

/** The functions of `storage-v2`, whose records are those of `storage`. */
export function storageV2(ask: AskStorage): Record<string, HostFunction> {
  /** The gateway answers what fits into a piece: the rest is asked for again. */
  const getMany = async (namespace: string, keys: readonly string[]): Promise<HostReply> => {
    const found = new Map<string, Entry>();
    for (let rest = keys; ;) {
      const answer = await ask('get-many', { namespace, keys: rest });
      if ('code' in answer) return refusal(answer);
      const { entries, more } = readEntries(answer);
      for (const entry of entries) found.set(entry.key, entry);
      if (!more) return { ok: keys.map((key) => found.get(key)) };
      const next = rest.indexOf(entries.at(-1)?.key ?? '') + 1;
      if (next === 0) throw disagrees();
      rest = rest.slice(next);
    }
  };

  const putAll = async (
    namespace: string,
    given: readonly z.output<typeof newEntry>[],
  ): Promise<bigint[] | HostReply> => {
    // A revision that JSON cannot hold exactly is none we ever gave out.
    if (given.some(({ revision = 0n }) => revision > BigInt(Number.MAX_SAFE_INTEGER))) return err('conflict');
    const size = given.reduce((sum, { value }) => sum + value.byteLength, 0);
    if (size > CALL_LIMITS.valueBytes) {
      return err('limit', `the values of one call have at most ${CALL_LIMITS.valueBytes} bytes together`);
    }
    const records = given.map(({ key, value, revision, ttlSeconds }) => ({
      key,
      bytes: value.byteLength,
      ...(revision !== undefined && { revision: Number(revision) }),
      ...(ttlSeconds !== undefined && { ttlSeconds }),
    }));
    const answer = await ask('put', { namespace, records }, Buffer.concat(given.map(({ value }) => value)));
    if ('code' in answer) return refusal(answer);
    const { revisions } = putEntries.answers[200].parse(answer.body);
    if (revisions.length !== given.length) throw disagrees();
    return revisions.map(BigInt);
  };

  return {
    get: async (given) => {
      const [namespace, key] = args.get.parse(given);
      const answer = await ask('get', { namespace, key });
      if ('code' in answer) return refusal(answer);
      if (answer.bytes === undefined) throw disagrees();
      const { revision, expiresAt } = entryHead.parse(answer.body);
      return { ok: entryOf({ key, revision, expiresAt }, answer.bytes) };
    },
    put: async (given) => {
      const [namespace, entry] = args.put.parse(given);
      const put = await putAll(namespace, [entry]);
      return Array.isArray(put) ? { ok: put[0] } : put;
    },
    delete: async (given) => {
      const [namespace, key, revision] = args.delete.parse(given);
      if (revision !== undefined && revision > BigInt(Number.MAX_SAFE_INTEGER)) return err('conflict');
      const condition = revision !== undefined && { revision: Number(revision) };
      const answer = await ask('delete', { namespace, key, ...condition });
      return 'code' in answer ? refusal(answer) : { ok: undefined };
    },
    'list-entries': async (given) => {
      const [namespace, prefix, cursor, limit] = args.list.parse(given);
      const answer = await ask('list', { namespace, prefix, cursor, limit });
      if ('code' in answer) return refusal(answer);
      const { entries, more } = readEntries(answer);
      return { ok: { entries, cursor: more ? entries.at(-1)?.key : undefined } };
    },
    increment: async (given) => {
      const [namespace, key, delta, begin] = args.increment.parse(given);
      const answer = await ask('increment', {
        namespace,
        key,
        delta: String(delta),
        ...(begin && { initial: String(begin.initial), ttlSeconds: begin.ttlSeconds }),
      });
      if ('code' in answer) return refusal(answer);
      return { ok: BigInt(incrementEntry.answers[200].parse(answer.body).sum) };
    },
    'get-many': (given) => getMany(...args.getMany.parse(given)),
    'put-many': async (given) => {
      const put = await putAll(...args.putMany.parse(given));
      return Array.isArray(put) ? { ok: put } : put;
    },
    'delete-many': async (given) => {
      const [namespace, keys] = args.deleteMany.parse(given);
      const answer = await ask('delete-many', { namespace, keys });
      if ('code' in answer) return refusal(answer);
      const { removed } = deleteEntries.answers[200].parse(answer.body);
      if (removed.length !== keys.length) throw disagrees();
      return { ok: removed };
    },
  };
}

const err = (tag: string, val?: string): HostReply => ({ err: val === undefined ? { tag } : { tag, val } });

const CASES = new Map([
  ['STORAGE_MISSING', 'missing'],
  ['STORAGE_CONFLICT', 'conflict'],
  ['CAPABILITY_NOT_GRANTED', 'denied'],
  ['EXECUTION_ENDED', 'denied'],
  ['STORAGE_NOT_A_COUNTER', 'not-a-counter'],
  ['STORAGE_OVERFLOW', 'overflow'],
  ['CONCURRENCY_LIMITED', 'busy'],
]);

function refusal({ code, detail = code }: Refusal): HostReply {
  if (code === 'STORAGE_LIMIT' || code === 'BODY_TOO_LARGE') return err('limit', detail);
  if (code === 'INPUT_INVALID') return err('invalid', detail);
  return err(CASES.get(code) ?? 'internal');
}

function readEntries({ body, bytes: values }: Answer): { entries: Entry[]; more: boolean } {
  const { records, more } = recordsHead.parse(body);
  let offset = 0;
  const entries = records.map(({ bytes: length, ...record }) =>
    entryOf(record, (values ?? new Uint8Array()).subarray(offset, (offset += length))),
  );
  if (offset !== values?.byteLength || (more && entries.length === 0)) throw disagrees();
  return { entries, more };
}

function entryOf(
  { key, revision, expiresAt }: { key: string; revision: number; expiresAt?: number | undefined },
  value: Uint8Array,
): Entry {
  const end = expiresAt === undefined ? undefined : BigInt(expiresAt);
  return { key, value, revision: BigInt(revision), expiresAt: end };
}

function disagrees(): PlatformError {
  return new PlatformError('INTERNAL', 'an answer of the gateway whose head disagrees with its values');
}
