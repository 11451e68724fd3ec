import { z } from 'zod';

/** Headers of a request that no extension is ever given, and why. What ends in `-` stands for all names that begin with it, and for the one without it. */
const WITHHELD: Readonly<Record<string, readonly string[]>> = {
  'may hold a credential': [
    'authorization',
    'cookie',
    'cookie2',
    'set-cookie',
    'set-cookie2',
    'authentication-info',
    'www-authenticate',
    'api-key',
    'apikey',
    'x-api-key',
    'x-apikey',
    'x-auth-',
    'x-access-token',
    'x-api-token',
    'x-token',
    'x-csrftoken',
    'x-amzn-oidc-',
    'x-goog-iap-',
    'x-amz-security-token',
    'x-csrf-',
    'x-xsrf-',
    'x-session-',
    'x-authorization',
    'x-cookie',
  ],
  'is about the connection, not the request': [
    'connection',
    'keep-alive',
    'proxy-',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
    'host',
    'expect',
    'content-length',
    'content-encoding',
    'http2-settings',
  ],
  'is what proxies say of the client, and anybody could have written it': [
    'forwarded',
    'via',
    'x-forwarded-',
    'x-real-ip',
    'x-client-ip',
    'x-remote-',
    'remote-user',
    'true-client-ip',
    'cf-',
  ],
  "is the platform's own": [
    'x-request-id',
    'x-execution-',
    'x-ext-',
    'x-alga-',
    'x-tenant-',
    'x-idempotency-key',
    'idempotency-key',
    'traceparent',
    'tracestate',
  ],
};

const REASONS = Object.entries(WITHHELD).flatMap(([reason, names]) =>
  names.map((name) => [name, reason] as const),
);

/** A header of requests that an extension may ask to be given: in lower case, and none that is withheld from all of them. */
export const requestHeaderName = z
  .string()
  .max(64)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be the name of a header in lower case, such as stripe-signature')
  .superRefine((name, ctx) => {
    const reason = reasonToWithhold(name);
    if (reason !== undefined) {
      ctx.addIssue({
        code: 'custom',
        message: `is given to no extension, since it ${reason}; remove it`,
        params: { code: 'header_withheld' },
      });
    }
  });

function reasonToWithhold(name: string): string | undefined {
  return REASONS.find(([withheld]) =>
    withheld.endsWith('-') ? `${name}-`.startsWith(withheld) : name === withheld,
  )?.[1];
}
