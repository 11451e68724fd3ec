import type { TLSConfig } from '@temporalio/client';
import type { SecretValue } from '../../core/secret-value.ts';

/** Where Temporal is, and how one gets in. */
export interface TemporalServer {
  /** `host:port` */
  address: string;
  /** Undefined: without. */
  tls?: TLSConfig | undefined;
  apiKey?: SecretValue | undefined;
}

/** As both of the SDK's kinds of connection take it. */
export function connectionOptions({ address, tls, apiKey }: TemporalServer): {
  address: string;
  tls?: TLSConfig;
  apiKey?: string;
} {
  return { address, ...(tls && { tls }), ...(apiKey && { apiKey: apiKey.reveal() }) };
}
