import { z } from 'zod';
import {
  listRecords,
  PAGE_ENTRIES,
  pieceHead,
  recordHead,
  storageEntry,
  type StorageEntry,
} from '../../core/api/host-storage.ts';
import { scopeAllows } from '../../core/capabilities.ts';
import { PlatformError } from '../../core/errors.ts';
import type { HostReply, WitValue } from '../engine/engine.ts';
import type { Capability, HostApiAnswer, HostFunction } from './capability.ts';
import { storageV2 } from './storage-v2.ts';

const U64 = z.bigint().min(0n).max(0xffff_ffff_ffff_ffffn);
const bytes = z.custom<Uint8Array>((value) => ArrayBuffer.isView(value));

const key = z.tuple([z.string(), z.string()]);
const put = z.tuple([
  z.object({ namespace: z.string(), key: z.string(), value: bytes, revision: U64.optional() }),
]);
const list = z.tuple([z.string(), z.string().optional()]);

// A revision is a number in JSON, and far below 2^53.
const entries = listRecords.answers[200];

const ERRORS = new Map([
  ['STORAGE_MISSING', 'missing'],
  ['STORAGE_CONFLICT', 'conflict'],
  ['CAPABILITY_NOT_GRANTED', 'denied'],
  ['EXECUTION_ENDED', 'denied'],
]);

type Answer = Exclude<HostApiAnswer, { code: string }>;

/** As the guest's interface has it. */
interface Entry extends Record<string, WitValue> {
  namespace: string;
  key: string;
  value: Uint8Array;
  revision: bigint;
}

/** Records of the install, kept by the gateway. The scope may name the only namespaces. */
export const storageCapability: Capability = {
  name: 'storage.kv',
  bind(call, scope, { hostApi }) {
    const askIn =
      (version: 'storage' | 'storage-v2') =>
      async (
        verb: string,
        body: { namespace: string } & Record<string, unknown>,
        value?: Uint8Array,
      ): Promise<HostApiAnswer> => {
        const answer = scopeAllows(scope, 'namespaces', body.namespace)
          ? await hostApi.call(`${version}/${verb}`, body, call, value)
          : { code: 'CAPABILITY_NOT_GRANTED' };
        if ('code' in answer && answer.code === 'CAPABILITY_NOT_GRANTED') {
          call.denied('storage.kv', body.namespace);
        }
        return answer;
      };
    const ask = askIn('storage');

    /** Joins the pieces: a guest takes fewer entries than a page has for the end of the namespace. */
    const readPage = async (namespace: string, cursor: string | undefined): Promise<HostReply> => {
      const page: Entry[] = [];
      for (let more = true; more;) {
        const after = page.at(-1)?.key ?? cursor;
        const limit = PAGE_ENTRIES - page.length;
        const answer = await ask('list', { namespace, limit, ...(after !== undefined && { cursor: after }) });
        if ('code' in answer) return refusal(answer.code);
        const piece = readPiece(namespace, answer);
        page.push(...piece.entries.slice(0, limit));
        more = piece.more && page.length < PAGE_ENTRIES;
      }
      return { ok: page };
    };

    const functions: Record<string, HostFunction> = {
      get: async (args) => {
        const [namespace, name] = key.parse(args);
        const answer = await ask('get', { namespace, key: name });
        return 'code' in answer ? refusal(answer.code) : { ok: readEntry(answer) };
      },
      put: async (args) => {
        const [{ namespace, key: name, value, revision }] = put.parse(args);
        // A revision that JSON cannot hold exactly is none we ever gave out.
        if (revision !== undefined && revision > BigInt(Number.MAX_SAFE_INTEGER)) return { err: 'conflict' };
        const head = { namespace, key: name, ...(revision !== undefined && { revision: Number(revision) }) };
        let answer = await ask('put', head, value);
        if ('code' in answer && answer.code === 'INPUT_INVALID') {
          // A gateway from before frames finds no body in one, and has written nothing.
          answer = await ask('put', { ...head, valueB64: base64(value) });
        }
        if ('code' in answer) return refusal(answer.code);
        const stored = recordHead.parse(answer.body);
        return { ok: { namespace, key: name, value, revision: BigInt(stored.revision) } };
      },
      delete: async (args) => {
        const [namespace, name] = key.parse(args);
        const answer = await ask('delete', { namespace, key: name });
        return 'code' in answer ? refusal(answer.code) : { ok: undefined };
      },
      'list-entries': (args) => readPage(...list.parse(args)),
    };
    return { storage: functions, 'storage-v2': storageV2(askIn('storage-v2')) };
  },
};

function refusal(code: string): HostReply {
  return { err: ERRORS.get(code) ?? 'internal' };
}

function readEntry({ body, bytes: value }: Answer): Entry {
  if (value === undefined) return fromJson(storageEntry.parse(body));
  const { namespace, key, revision } = recordHead.parse(body);
  return { namespace, key, value, revision: BigInt(revision) };
}

function readPiece(namespace: string, { body, bytes: values }: Answer): { entries: Entry[]; more: boolean } {
  // A gateway from before frames answers the whole page.
  if (values === undefined) return { entries: entries.parse(body).entries.map(fromJson), more: false };
  const { records, more } = pieceHead.parse(body);
  let offset = 0;
  const read = records.map(({ key, revision, bytes: length }) => {
    const value = values.subarray(offset, (offset += length));
    return { namespace, key, value, revision: BigInt(revision) };
  });
  if (offset !== values.byteLength || (more && read.length === 0)) {
    throw new PlatformError('INTERNAL', 'a piece of a list whose head disagrees with its values');
  }
  return { entries: read, more };
}

function fromJson({ namespace, key, valueB64, revision }: StorageEntry): Entry {
  return { namespace, key, value: Buffer.from(valueB64, 'base64'), revision: BigInt(revision) };
}

function base64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}
