import { z } from 'zod';
import { ANY_PUBLISHER, TRUST_KEY_STATES } from './trust.ts';

const instant = z.iso.datetime({
  offset: true,
  error: 'must be a time with its zone, such as 2027-01-31T00:00:00Z',
});

const publisherScope = z
  .string()
  .max(100)
  .refine(
    (slug) => slug === ANY_PUBLISHER || /^[a-z0-9]+(-[a-z0-9]+)*$/.test(slug),
    `must be a publisher's slug such as "nine-minds", or "${ANY_PUBLISHER}" for every publisher`,
  );

const keyFields = z.strictObject({
  /** Ed25519, as PEM (`BEGIN PUBLIC KEY`) or base64 of its SPKI DER. */
  publicKey: z.string().max(2_000).optional(),
  /** X.509, PEM, of an Ed25519 key: its dates hold too. It is believed as it stands; nothing is asked of who issued it. */
  certificate: z.string().max(20_000).optional(),
  /** `sha256:<hex>` of the key's SPKI DER; computed, and refused if it is said to be another. */
  keyId: z.string().max(200).optional(),
  name: z.string().trim().min(1).max(200).optional(),
  /** Whom it may sign for: slugs of publishers, or `*`. Nobody is meant unless said. */
  publishers: z.array(publisherScope).min(1).max(1_000),
  /** Signatures count that came between them. */
  notBefore: instant.optional(),
  notAfter: instant.optional(),
});

type KeyFields = z.output<typeof keyFields>;

function hasOneForm({ publicKey, certificate }: KeyFields): boolean {
  return (publicKey === undefined) !== (certificate === undefined);
}
const ONE_FORM = { path: ['publicKey'], error: 'give either publicKey or certificate, and not both' };

/** A key that is to be trusted, as people write it. */
export const newTrustKey = keyFields.refine(hasOneForm, ONE_FORM);
export type NewTrustKey = z.output<typeof newTrustKey>;

/** The trust bundle's file: version 1. */
export const trustBundleFile = z.strictObject({
  version: z.literal(1),
  /** Different keys that have to have signed a bundle. */
  threshold: z.int().min(1).max(100).default(1),
  keys: z
    .array(
      keyFields
        .extend({
          state: z.enum(TRUST_KEY_STATES).default('active'),
          reason: z.string().max(1_000).optional(),
        })
        .refine(hasOneForm, ONE_FORM),
    )
    .max(1_000),
});
