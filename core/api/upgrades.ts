import { z } from 'zod';
import { isExactVersion, isWildcardVersion } from '../version.ts';
import type { Route } from './route.ts';
import { permission, uuid } from './values.ts';

/** What stands between an install and a version of its extension; changes nothing. */
export const checkUpgrade = {
  method: 'POST',
  path: '/api/v1/extensions/check-upgrade',
  body: z.strictObject({
    installId: uuid,
    version: z
      .string()
      .max(64)
      .refine((text) => isExactVersion(text) || isWildcardVersion(text), 'must be like 1.2.3 or 1.2.*'),
  }),
  answers: {
    200: z.object({
      /** The one that was meant. */
      version: z.string(),
      /** Whether an admin has to agree before it may serve. */
      needsConsent: z.boolean(),
      /** Names of capabilities that it asks for beyond what is granted; `permissions` has them with their scopes. */
      added: z.array(z.string()),
      permissions: z.array(permission),
      /** Paths of settings and secrets to give, such as `config.url` and `secrets.TOKEN`. */
      settingsNeeded: z.array(z.string()),
    }),
  },
} satisfies Route;
