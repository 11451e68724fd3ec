import { json, Router } from 'express';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { z } from 'zod';
import { isPlatformError } from '../../core/errors.ts';
import { inputOf } from '../request-input.ts';

/** A page of the UI's history with payloads of 2 MiB, Temporal's limit of one, in base64. */
const MAX_BODY = '16mb';

const payloads = z.object({
  payloads: z.array(
    z.object({ metadata: z.record(z.string(), z.base64()).default({}), data: z.base64().default('') }),
  ),
});

/**
 * `POST /decode` of Temporal's codec protocol (https://docs.temporal.io/codec-server): payloads in protobuf's JSON, in and out. There is
 * no `/encode`: whoever reads histories need not be able to write what workers believe.
 */
export function createDecodeRouter(codec: Pick<PayloadCodec, 'decode'>): Router {
  const router = Router();
  router.post('/decode', json({ limit: MAX_BODY }), async (req, res) => {
    const given = inputOf(payloads, req.body);
    const decoded = await Promise.all(given.payloads.map((payload) => decode(codec, fromJson(payload))));
    res.set('cache-control', 'no-store').json({ payloads: decoded.map(toJson) });
  });
  return router;
}

/** One that cannot be decoded says why in its place, and does not keep the others from being read. */
async function decode(codec: Pick<PayloadCodec, 'decode'>, payload: Payload): Promise<Payload> {
  try {
    const [decoded = payload] = await codec.decode([payload]);
    return decoded;
  } catch (err) {
    if (!isPlatformError(err)) throw err;
    return {
      metadata: { encoding: Buffer.from('json/plain') },
      data: Buffer.from(JSON.stringify(`cannot be decoded: ${err.message}`)),
    };
  }
}

function fromJson({ metadata, data }: z.output<typeof payloads>['payloads'][number]): Payload {
  return {
    metadata: Object.fromEntries(
      Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')]),
    ),
    data: Buffer.from(data, 'base64'),
  };
}

function toJson({ metadata, data }: Payload): { metadata: Record<string, string>; data: string } {
  return {
    metadata: Object.fromEntries(
      Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
    ),
    data: Buffer.from(data ?? []).toString('base64'),
  };
}
