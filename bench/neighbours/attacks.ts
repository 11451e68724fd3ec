import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'undici';
import { HEAVY, type Field } from './field.ts';

/** What a client of an attack has at hand. */
export interface Attacker {
  field: Field;
  /** 0, 1, 2, … */
  client: number;
  /** The attack ends: what waits without end goes home. */
  signal: AbortSignal;
  /** Counts what was answered. */
  tally: (outcome: string) => void;
}

export interface Attack {
  clients: number;
  /** Outcomes that show that it took place. */
  proof: readonly string[];
  /** One request or so of one client, over and over. */
  step: (attacker: Attacker) => Promise<void>;
}

const MIB = 1024 * 1024;
/** No limit of our own on what is under way at once. */
const dispatcher = new Agent({ connections: null, headersTimeout: 0, bodyTimeout: 0 });

interface Call {
  method?: 'GET' | 'POST' | 'PUT';
  headers?: Record<string, string>;
  body?: string | Buffer;
  signal?: AbortSignal;
}

async function ask(
  { field }: Attacker,
  path: string,
  { method = 'GET', headers = {}, body, signal }: Call = {},
): Promise<{ status: number; text: string }> {
  const answer = await request(`${field.gateway}${path}`, {
    method,
    headers: { authorization: `Bearer ${field.key}`, ...headers },
    ...(body !== undefined && { body }),
    ...(signal && { signal }),
    dispatcher,
  });
  return { status: answer.statusCode, text: await answer.body.text() };
}

const json = (body: unknown): Call => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

/** Calls of the heavy extension. */
function callers(clients: number, path: string, proof: readonly string[] = ['200']): Attack {
  return {
    clients,
    proof,
    async step(attacker) {
      attacker.tally(String((await ask(attacker, `/api/ext/${HEAVY}${path}`)).status));
    },
  };
}

/** Answers the id of an upload, its bytes sent; undefined if it was refused. */
async function upload(attacker: Attacker, bytes: Buffer): Promise<string | undefined> {
  const announced = { filename: 'attack', size: bytes.byteLength, method: 'proxy' };
  const begun = await ask(attacker, '/api/ext-bundles/initiate-upload', json(announced));
  if (begun.status !== 201) {
    attacker.tally(String(begun.status));
    return undefined;
  }
  const { uploadId } = JSON.parse(begun.text) as { uploadId: string };
  await send(attacker, uploadId, bytes);
  return uploadId;
}

async function send(attacker: Attacker, uploadId: string, bytes: Buffer): Promise<void> {
  const headers = { 'content-type': 'application/octet-stream' };
  const sent = await ask(attacker, `/api/ext-bundles/upload-proxy?uploadId=${uploadId}`, {
    method: 'PUT',
    headers,
    body: bytes,
  });
  attacker.tally(`upload ${sent.status}`);
}

let hostile: Promise<Buffer> | undefined;
const large = randomBytes(64 * MIB);
const small = Buffer.alloc(1_000);

/** By the name in the table. A new row is a new member here. */
export const ATTACKS: Readonly<Record<string, Attack>> = {
  'short calls over the concurrency limit, 96 callers': callers(96, '/nothing', ['200', '429']),
  'guests list 100 records of 64 KiB, 8 callers': callers(8, '/list'),
  'guests write near the limit of keys, 150,000 records, 8 callers': callers(8, '/write'),
  'a stranger asks for UIs of random hashes, 32 connections': {
    clients: 32,
    proof: ['404'],
    async step({ field, tally }) {
      const hash = randomBytes(32).toString('hex');
      const url = `${field.ui}/ext-ui/${field.extensionId}/sha256:${hash}/index.html`;
      const answer = await request(url, { dispatcher });
      await answer.body.dump();
      tally(String(answer.statusCode));
    },
  },
  'strangers load a UI that is there, 32 connections': {
    clients: 32,
    proof: ['200'],
    async step({ field, tally }) {
      const answer = await request(field.uiUrl, { dispatcher });
      await answer.body.dump();
      tally(String(answer.statusCode));
    },
  },
  'publishes of a hostile bundle, 4 at once': {
    clients: 4,
    proof: ['publish 422'],
    async step(attacker) {
      const uploadId = await upload(attacker, await (hostile ??= readFile(attacker.field.hostileBundle)));
      if (uploadId === undefined) return;
      const finalize = json({ uploadId });
      const { status } = await ask(attacker, '/api/ext-bundles/finalize', {
        ...finalize,
        headers: { ...finalize.headers, prefer: 'wait=30' },
      });
      attacker.tally(`publish ${status}`);
    },
  },
  'guests log as much as they can, 48 callers': callers(48, '/log'),
  '100 waits and event streams on a row that changes': {
    clients: 102,
    proof: ['upload 200', 'stream 200', 'open at the end'],
    async step(attacker) {
      const { field, client, signal, tally } = attacker;
      if (client >= 100) {
        await send(attacker, field.uploadId, small);
      } else if (client % 2 === 0) {
        const { status } = await ask(attacker, `/api/v1/publishes/${field.uploadId}`, {
          headers: { prefer: 'wait=60' },
          signal,
        });
        tally(`wait ${status}`);
      } else {
        const stream = await request(`${field.gateway}/api/v1/publishes/${field.uploadId}/events`, {
          headers: { authorization: `Bearer ${field.key}` },
          signal,
          dispatcher,
        });
        tally(`stream ${stream.statusCode}`);
        await stream.body.dump({ limit: Infinity });
      }
    },
  },
  'uploads of 64 MiB, 8 at once': {
    clients: 8,
    proof: ['upload 200'],
    async step(attacker) {
      const uploadId = await upload(attacker, large);
      if (uploadId !== undefined) await ask(attacker, '/api/ext-bundles/abort', json({ uploadId }));
    },
  },
};
