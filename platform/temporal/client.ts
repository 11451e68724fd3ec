import { Client, Connection } from '@temporalio/client';
import { createDataConverter } from './data-converter.ts';
import type { CodecKeys } from './payload-codec.ts';

export interface TemporalOptions {
  address: string;
  namespace: string;
  codecKeys: CodecKeys;
}

export interface TemporalConnection {
  client: Client;
  close: () => Promise<void>;
}

/** Connects at the first call, not before, so that a process starts while Temporal is away. */
export function connectTemporal({ address, namespace, codecKeys }: TemporalOptions): TemporalConnection {
  const connection = Connection.lazy({ address });
  const client = new Client({ connection, namespace, dataConverter: createDataConverter(codecKeys) });
  return { client, close: () => connection.close() };
}
