import type { CacheTier } from '../cache/count-lookup.ts';
import type { ObjectStoreConfig } from '../../platform/config/environment.ts';
import type { ListenAddress } from '../../platform/http/http-server.ts';
import type { LogFormat } from '../../platform/logger.ts';
import { SecretValue } from '../../core/secret-value.ts';

/** All that the process of the public listener knows: no key that opens secrets, nothing that calls a guest. */
export interface UiProcessConfig {
  logLevel: string;
  logFormat?: LogFormat | undefined;
  listen: ListenAddress;
  /** All that it is started with. */
  environment: Record<string, string>;
  gateway: { baseUrl: string; token: SecretValue };
  objects: ObjectStoreConfig;
  cache: { folder: string; maxBytes: number };
  listingKey: Uint8Array;
}

/** As it crosses to the process: secrets do not survive a structured clone, by design. */
export type SentUiProcessConfig = Omit<UiProcessConfig, 'gateway' | 'objects'> & {
  gateway: { baseUrl: string; token: string };
  objects: Exclude<ObjectStoreConfig, { kind: 's3' }> | (Omit<S3Config, 'secretKey'> & { secretKey: string });
};
type S3Config = Extract<ObjectStoreConfig, { kind: 's3' }>;

/** The second asks it to end within so many milliseconds. */
export type ToUiProcess = { start: SentUiProcessConfig } | { close: number };
/** Lookups since the last time. */
export type FromUiProcess = { port: number } | { lookups: Partial<Record<CacheTier, number>> };

export function sendable({ gateway, objects, ...rest }: UiProcessConfig): SentUiProcessConfig {
  return {
    ...rest,
    gateway: { baseUrl: gateway.baseUrl, token: gateway.token.reveal() },
    objects: objects.kind === 's3' ? { ...objects, secretKey: objects.secretKey.reveal() } : objects,
  };
}

export function received({ gateway, objects, ...rest }: SentUiProcessConfig): UiProcessConfig {
  return {
    ...rest,
    gateway: { baseUrl: gateway.baseUrl, token: new SecretValue(gateway.token) },
    objects: objects.kind === 's3' ? { ...objects, secretKey: new SecretValue(objects.secretKey) } : objects,
  };
}
