import { describe, expect, it } from '@jest/globals';
import { parseEnvironment } from './environment.ts';
import { temporalServer, temporalServerConfig } from './temporal.ts';

describe('how one gets into Temporal', () => {
  const PEM = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----';
  const load = (env: Readonly<Record<string, string>>) =>
    temporalServerConfig(parseEnvironment(temporalServer, { TEMPORAL_ADDRESS: 'temporal:7233', ...env }));

  it('is without TLS where nothing is said', () => {
    expect(load({})).toEqual({ address: 'temporal:7233' });
    expect(load({ TEMPORAL_TLS: 'false' })).toEqual({ address: 'temporal:7233' });
  });

  it('is by TLS wherever it is asked for, or there is an API key or a certificate', () => {
    expect(load({ TEMPORAL_TLS: 'true' }).tls).toEqual({});
    const withKey = load({ TEMPORAL_API_KEY: 'an-api-key' });
    expect([withKey.tls, withKey.apiKey?.reveal()]).toEqual([{}, 'an-api-key']);
    expect(load({ TEMPORAL_TLS_SERVER_CA_CERT: PEM }).tls).toEqual({
      serverRootCACertificate: Buffer.from(PEM),
    });
    expect(load({ TEMPORAL_TLS_CLIENT_CERT: PEM, TEMPORAL_TLS_CLIENT_KEY: PEM }).tls).toEqual({
      clientCertPair: { crt: Buffer.from(PEM), key: Buffer.from(PEM) },
    });
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ['half of a pair', { TEMPORAL_TLS_CLIENT_CERT: PEM }, 'belong together'],
    ['an API key in the clear', { TEMPORAL_TLS: 'false', TEMPORAL_API_KEY: 'k' }, 'TEMPORAL_TLS=false'],
    ['a path in place of a certificate', { TEMPORAL_TLS_SERVER_CA_CERT: '/ca.pem' }, 'no PEM'],
  ])('is not %s, and says why', (_, env, said) => {
    expect(() => load(env)).toThrow(said);
  });
});
