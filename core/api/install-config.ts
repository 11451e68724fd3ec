import { z } from 'zod';
import { SecretValue } from '../secret-value.ts';
import type { Route } from './route.ts';
import { configChange, installRef, time, uuid, workUnderWay } from './values.ts';

const MAX_SECRET_LENGTH = 16 * 1024;

/** A secret in a request; from here on nothing prints it. */
export const secretValue = z
  .string()
  .min(1)
  .max(MAX_SECRET_LENGTH)
  .transform((text) => new SecretValue(text));

const changes = z.array(configChange).optional();

const config = z.object({
  config: z.record(z.string(), z.unknown()),
  version: z.int().nonnegative(),
  changes,
  /** A version that waits for settings: what it has of them so far, and the paths of those that it needs. */
  pending: z
    .object({
      version: z.string(),
      config: z.record(z.string(), z.unknown()),
      settingsNeeded: z.array(z.string()),
    })
    .optional(),
});

/** Which are set, and since when. Never values. */
const secrets = z.object({
  secrets: z.record(z.string(), z.object({ set: z.boolean(), updatedAt: time.optional() })),
  version: z.int().nonnegative(),
  changes,
});

/** Temporal may have taken the change; among the `changes` at `url` it shows until it is applied, or as failed. */
const underWay = z.object({ status: z.literal('configuring'), changeId: uuid, ...workUnderWay.shape });

const CONFIG = '/api/v1/installs/{installId}/config';
const SECRETS = '/api/v1/installs/{installId}/secrets';

export const readConfig = {
  method: 'GET',
  path: CONFIG,
  params: installRef,
  answers: { 200: config },
} satisfies Route;

/** While a version waits for settings: values for that one, put over those that it has already. */
export const replaceConfig = {
  method: 'PUT',
  path: CONFIG,
  params: installRef,
  body: z.record(z.string(), z.unknown()),
  answers: { 200: config, 202: underWay },
} satisfies Route;

/** To the manifest's defaults; secrets are cleared. */
export const resetConfig = {
  method: 'DELETE',
  path: CONFIG,
  params: installRef,
  answers: { 200: config, 202: underWay },
} satisfies Route;

export const readSecrets = {
  method: 'GET',
  path: SECRETS,
  params: installRef,
  answers: { 200: secrets },
} satisfies Route;

/** `null` removes one; those that are not named stay. While a version waits for settings: secrets for that one. */
export const changeSecrets = {
  method: 'PUT',
  path: SECRETS,
  params: installRef,
  body: z
    .record(z.string(), secretValue.nullable())
    .refine((named) => Object.keys(named).length > 0, 'name at least one secret'),
  answers: { 200: secrets, 202: underWay },
} satisfies Route;

export const clearSecrets = {
  method: 'DELETE',
  path: SECRETS,
  params: installRef,
  answers: { 200: secrets, 202: underWay },
} satisfies Route;
