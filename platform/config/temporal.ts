import { z } from 'zod';
import { PlatformError } from '../../core/errors.ts';
import { SecretValue } from '../../core/secret-value.ts';
import type { CodecKeys } from '../temporal/payload-codec.ts';
import type { TemporalServer } from '../temporal/server.ts';
import { credential, keySecret, keySecretList } from './environment.ts';

const pem = z.string().regex(/^-----BEGIN [A-Z ]+-----/, 'no PEM, which begins with "-----BEGIN"');

/** How one gets into Temporal. */
export const temporalEntry = z.object({
  /** Unset, it is used if anything below is set. */
  TEMPORAL_TLS: z.stringbool().optional(),
  /** Of the authorities that signed the server's certificate; unset, those that the system trusts. */
  TEMPORAL_TLS_SERVER_CA_CERT: pem.optional(),
  TEMPORAL_TLS_CLIENT_CERT: pem.optional(),
  TEMPORAL_TLS_CLIENT_KEY: pem.transform((value) => new SecretValue(value)).optional(),
  TEMPORAL_API_KEY: credential.optional(),
});

/** Where Temporal is, and how one gets in. */
export const temporalServer = z.object({
  TEMPORAL_ADDRESS: z.string().min(1),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  ...temporalEntry.shape,
});

/** With TLS wherever there is anything to protect: an API key never goes in the clear. */
export function temporalServerConfig(v: z.output<typeof temporalServer>): TemporalServer {
  const { TEMPORAL_TLS_SERVER_CA_CERT: ca, TEMPORAL_TLS_CLIENT_CERT: crt, TEMPORAL_TLS_CLIENT_KEY: key } = v;
  if ((crt === undefined) !== (key === undefined)) {
    throw new PlatformError(
      'CONFIG_INVALID',
      'TEMPORAL_TLS_CLIENT_CERT and TEMPORAL_TLS_CLIENT_KEY belong together: set both or none',
    );
  }
  const apiKey = v.TEMPORAL_API_KEY;
  const needsTls = ca !== undefined || crt !== undefined || apiKey !== undefined;
  if (needsTls && v.TEMPORAL_TLS === false) {
    throw new PlatformError(
      'CONFIG_INVALID',
      'TEMPORAL_TLS=false does not go with an API key or certificates: leave it out',
    );
  }
  const tls = {
    ...(ca !== undefined && { serverRootCACertificate: Buffer.from(ca) }),
    ...(crt !== undefined &&
      key !== undefined && { clientCertPair: { crt: Buffer.from(crt), key: Buffer.from(key.reveal()) } }),
  };
  return {
    address: v.TEMPORAL_ADDRESS,
    ...((needsTls || v.TEMPORAL_TLS === true) && { tls }),
    ...(apiKey && { apiKey }),
  };
}

export const temporal = z.object({
  ...temporalServer.shape,
  /** AES-256-GCM key of the payload codec, 32 bytes. */
  PAYLOAD_CODEC_KEY: keySecret,
  PAYLOAD_CODEC_PREVIOUS_KEYS: keySecretList,
});

export interface TemporalConfig extends TemporalServer {
  namespace: string;
  codecKeys: CodecKeys;
}

export function temporalConfig(v: z.output<typeof temporal>): TemporalConfig {
  return {
    ...temporalServerConfig(v),
    namespace: v.TEMPORAL_NAMESPACE,
    codecKeys: [v.PAYLOAD_CODEC_KEY, ...v.PAYLOAD_CODEC_PREVIOUS_KEYS],
  };
}
