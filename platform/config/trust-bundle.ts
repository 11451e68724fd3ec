import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { isPlatformError } from '../../core/errors.ts';
import type { TrustBundle } from '../../core/trust.ts';
import { parseTrustBundle } from '../signatures/trust-bundle.ts';

/** SIGNING_TRUST_BUNDLE: the path of a trust bundle, or the bundle itself, which begins with "{". Each of its faults is one of the variable. */
export const signingTrustBundle = z
  .string()
  .transform((value, ctx): TrustBundle => {
    try {
      return parseTrustBundle(value.trimStart().startsWith('{') ? value : readFileSync(value, 'utf8'));
    } catch (err) {
      const issues = isPlatformError(err) ? err.issues : [];
      for (const { path, message } of issues)
        ctx.addIssue({ code: 'custom', message: [path, message].filter(Boolean).join(' ') });
      if (issues.length === 0)
        ctx.addIssue({ code: 'custom', message: 'names a file that cannot be read; give a path or JSON' });
      return z.NEVER;
    }
  })
  .optional();
