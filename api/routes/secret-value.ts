import { z } from 'zod';
import { SecretValue } from '../../core/secret-value.ts';

const MAX_SECRET_LENGTH = 16 * 1024;

/** A secret in a body; from here on nothing prints it. */
export const secretValue = z
  .string()
  .min(1)
  .max(MAX_SECRET_LENGTH)
  .transform((text) => new SecretValue(text));
