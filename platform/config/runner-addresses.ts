import { z } from 'zod';
import { PlatformError } from '../../core/errors.ts';
import { SecretValue } from '../../core/secret-value.ts';

/** Where gateways find runners. */
export interface RunnerAddress {
  /** As requests are sealed for it; of a name, the address that is made one for each runner. */
  baseUrl: string;
  /** Whether the host is a name that stands for any number of runners. */
  isName: boolean;
  serviceToken: SecretValue;
}

const BY_NAME = /^dns\+(?=https?:)/;
const EXAMPLE = 'http://runner-1.internal:8090, or dns+http://runners.internal:8090 for all that a name has';

const address = z
  .string()
  .refine((text) => {
    const url = URL.parse(text.replace(BY_NAME, ''));
    return url !== null && /^https?:$/.test(url.protocol) && !/[?#@]/.test(text);
  }, `must be a base address without user, query or fragment, such as ${EXAMPLE}`)
  .transform((text) => ({ baseUrl: text.replace(BY_NAME, ''), isName: BY_NAME.test(text) }));

/** One or more, separated by commas. */
export const runnerBaseUrls = z
  .string()
  .transform((text) => text.split(',').map((one) => one.trim()))
  .pipe(z.array(address))
  .refine(
    (all) => new Set(all.map(({ baseUrl }) => baseUrl)).size === all.length,
    'names the same runner twice',
  );

/** Each with its own credential, or all with the one. Throws CONFIG_INVALID. */
export function runnerAddresses(
  all: z.output<typeof runnerBaseUrls>,
  serviceToken: SecretValue,
): RunnerAddress[] {
  const tokens = all.length === 1 ? [serviceToken.reveal()] : serviceToken.reveal().split(',');
  if (tokens.includes('') || ![1, all.length].includes(tokens.length)) {
    throw new PlatformError(
      'CONFIG_INVALID',
      'RUNNER_SERVICE_TOKEN must hold one credential for all of RUNNER_BASE_URL, or as many, separated by commas',
    );
  }
  return all.map((one, at) => ({ ...one, serviceToken: new SecretValue(tokens[at] ?? tokens[0] ?? '') }));
}
