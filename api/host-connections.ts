import { createPublicKey, type KeyObject } from 'node:crypto';
import { UI_PROXY_LIMITS } from '../core/api/host-application.ts';
import type { GatewayConfig } from '../platform/config/gateway.ts';
import { createHostClient } from '../platform/host-application/host-client.ts';
import { createHostTokens } from '../platform/host-application/host-tokens.ts';
import type { Logger } from '../platform/logger.ts';
import { readPrivateKey, readPublicKey } from '../platform/tokens/ed25519.ts';
import type { InternalRouterDeps } from './internal/internal-router.ts';

/** Thousands of clients; a guest asks for a page. */
const MAX_ANSWER_BYTES = 1024 * 1024;

export interface HostConnections extends Pick<InternalRouterDeps, 'hostApplication' | 'uiProxy'> {
  hostTokenKeys: KeyObject[];
  close(): Promise<void>;
}

/** The host application and its routes for extensions, as far as they are configured. Opens no connection yet. */
export function createHostConnections(
  config: Pick<GatewayConfig, 'hostApplication' | 'uiProxy' | 'hostTokenKeys'>,
  logger: Logger,
): HostConnections {
  const { current, otherPublic } = config.hostTokenKeys;
  const key = current && readPrivateKey(current.reveal());
  const tokens = key && createHostTokens(key);
  const connect = (to: { baseUrl: string; timeoutMs: number } | undefined, maxAnswerBytes: number) =>
    to && tokens && { client: createHostClient({ ...to, maxAnswerBytes }, logger), tokens };
  const hostApplication = connect(config.hostApplication, MAX_ANSWER_BYTES);
  const uiProxy = connect(config.uiProxy, UI_PROXY_LIMITS.answerBytes);
  return {
    hostApplication,
    uiProxy: uiProxy && { ...uiProxy, authKey: config.uiProxy?.authKey },
    hostTokenKeys: [...(key ? [createPublicKey(key)] : []), ...otherPublic.map(readPublicKey)],
    async close() {
      await Promise.all([hostApplication?.client.close(), uiProxy?.client.close()]);
    },
  };
}
