import path from 'node:path';
import { z } from 'zod';
import { PlatformError } from '../core/errors.ts';
import {
  logging,
  parseEnvironment,
  port,
  withoutEmpty,
  type Environment,
} from '../platform/config/environment.ts';
import { temporalEntry, temporalServer, temporalServerConfig } from '../platform/config/temporal.ts';
import type { TemporalServer } from '../platform/temporal/server.ts';

/** What the starter itself reads; variables of the roles pass through to the role that knows them (roles.ts). */
export const starterEnv = z.object({
  LOG_FORMAT: logging.shape.LOG_FORMAT,
  DATA_DIR: z.string().min(1).default('.data'),
  GATEWAY_PORT: port.optional(),
  GATEWAY_INTERNAL_PORT: port.optional(),
  RUNNER_PORT: port.optional(),
  /** How many runners there are; the first has the ports of their names. */
  RUNNERS: z.coerce.number().int().min(1).max(16).default(1),
  RUNNER_UI_PORT: port.optional(),
  TEMPORAL_PORT: port.optional(),
  TEMPORAL_UI_PORT: port.optional(),
  POSTGRES_PORT: port.optional(),
  /** Set: that PostgreSQL is used, and none is started. */
  DATABASE_URL: z.url().optional(),
  /** With an address that Temporal is used, and none is started. */
  ...temporalServer.partial({ TEMPORAL_ADDRESS: true }).shape,
  /** Address of the web UI that belongs to TEMPORAL_ADDRESS, for people. */
  TEMPORAL_UI_URL: z.url().optional(),
  /** Path of a Temporal CLI, taken before one on PATH. */
  TEMPORAL_CLI: z.string().min(1).optional(),
});

export interface StarterConfig {
  dataDir: string;
  ports: Record<keyof typeof DEFAULT_PORTS, number | undefined>;
  runners: number;
  databaseUrl: string | undefined;
  /** Without a server one is started. */
  temporal: { server: TemporalServer | undefined; namespace: string; ui: string | undefined };
  /** What is set, as it was given. */
  environment: Environment;
}

/** Undefined: any free one. */
export const DEFAULT_PORTS = {
  GATEWAY_PORT: 8080,
  GATEWAY_INTERNAL_PORT: undefined,
  RUNNER_PORT: 8090,
  RUNNER_UI_PORT: 8091,
  TEMPORAL_PORT: 7233,
  TEMPORAL_UI_PORT: 8233,
  POSTGRES_PORT: undefined,
} as const;

export function loadStarterConfig(given: Environment): StarterConfig {
  const v = parseEnvironment(starterEnv, given);
  const address = v.TEMPORAL_ADDRESS;
  const entry = Object.keys(temporalEntry.shape) as (keyof typeof temporalEntry.shape)[];
  const needless = entry.find((name) => v[name] !== undefined);
  if (address === undefined && needless !== undefined) {
    throw new PlatformError(
      'CONFIG_INVALID',
      `${needless} is for a Temporal of yours: set TEMPORAL_ADDRESS, too`,
    );
  }
  return {
    dataDir: path.resolve(v.DATA_DIR),
    ports: {
      GATEWAY_PORT: v.GATEWAY_PORT,
      GATEWAY_INTERNAL_PORT: v.GATEWAY_INTERNAL_PORT,
      RUNNER_PORT: v.RUNNER_PORT,
      RUNNER_UI_PORT: v.RUNNER_UI_PORT,
      TEMPORAL_PORT: v.TEMPORAL_PORT,
      TEMPORAL_UI_PORT: v.TEMPORAL_UI_PORT,
      POSTGRES_PORT: v.POSTGRES_PORT,
    },
    runners: v.RUNNERS,
    databaseUrl: v.DATABASE_URL,
    temporal: {
      server: address === undefined ? undefined : temporalServerConfig({ ...v, TEMPORAL_ADDRESS: address }),
      namespace: v.TEMPORAL_NAMESPACE,
      ui: v.TEMPORAL_UI_URL,
    },
    environment: withoutEmpty(given),
  };
}
