import { Client, Connection } from '@temporalio/client';
import { createDataConverter } from './data-converter.ts';
import type { CodecKeys } from './payload-codec.ts';
import { connectionOptions, type TemporalServer } from './server.ts';

export interface TemporalOptions extends TemporalServer {
  namespace: string;
  codecKeys: CodecKeys;
}

export interface TemporalConnection {
  client: Client;
  close: () => Promise<void>;
}

/** Connects at the first call, not before, so that a process starts while Temporal is away. */
export function connectTemporal({ namespace, codecKeys, ...server }: TemporalOptions): TemporalConnection {
  const connection = Connection.lazy(connectionOptions(server));
  const client = new Client({ connection, namespace, dataConverter: createDataConverter(codecKeys) });
  return { client, close: () => connection.close() };
}
