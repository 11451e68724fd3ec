import { z } from 'zod';

/** Base64 of either alphabet, as DSSE has it. */
const base64 = z.union([z.base64(), z.base64url()], 'must be base64');

/** What verifying costs is bounded by these. */
const MAX_SIGNATURES = 16;
const MAX_PAYLOAD_CHARS = 40_000;

/** Beside one bundle: all of them are read whenever it is judged. */
export const MAX_ENVELOPES = 32;

/** DSSE v1 as JSON. Members that it does not name are left out. */
export const dsseEnvelope = z.object({
  payloadType: z.string().max(200),
  payload: base64.pipe(z.string().max(MAX_PAYLOAD_CHARS)),
  signatures: z
    .array(
      z.object({
        /** A hint at the key. */
        keyid: z.string().max(200).optional(),
        sig: base64.pipe(z.string().max(1_000)),
      }),
    )
    .min(1)
    .max(MAX_SIGNATURES),
});
export type DsseEnvelope = z.infer<typeof dsseEnvelope>;
