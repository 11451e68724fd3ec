import { Client, Connection } from '@temporalio/client';
import type { SecretValue } from '../../core/secret-value.ts';
import { createDataConverter } from './data-converter.ts';

export interface TemporalOptions {
  address: string;
  namespace: string;
  codecKey: SecretValue;
}

export interface TemporalConnection {
  client: Client;
  close: () => Promise<void>;
}

/** Connects at the first call, not before, so that a process starts while Temporal is away. */
export function connectTemporal({ address, namespace, codecKey }: TemporalOptions): TemporalConnection {
  const connection = Connection.lazy({ address });
  const client = new Client({ connection, namespace, dataConverter: createDataConverter(codecKey) });
  return { client, close: () => connection.close() };
}
