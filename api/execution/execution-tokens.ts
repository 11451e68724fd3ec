import { createPublicKey, type KeyObject } from 'node:crypto';
import { PlatformError } from '../../core/errors.ts';
import type { ExecuteRequest } from '../../core/execute.ts';
import {
  executionTokenKey,
  makeExecutionToken,
  readExecutionToken,
  type ExecutionClaims,
} from '../../platform/tokens/execution-token.ts';
import {
  signExecutionToken,
  verifySignedExecutionToken,
} from '../../platform/tokens/signed-execution-token.ts';

/** What both forms of a token say to the host routes. */
type Caller = Pick<ExecutionClaims, 'tenant' | 'extension' | 'install' | 'version' | 'execution' | 'user'>;

export interface ExecutionTokens {
  /** Signed, unless the request to the runner is sealed: such a runner does not look into it, and serves no older gateway that could. */
  make(
    request: ExecuteRequest,
    attempt: { attempt: number; audience: string; sealed: boolean },
  ): string | Promise<string>;
  /** Throws TOKEN_INVALID. */
  check(token: string): Promise<Caller>;
}

/** `previous` is accepted too, so that gateways can change their key one by one. */
export function createExecutionTokens(current: KeyObject, previous?: KeyObject): ExecutionTokens {
  const keys = previous ? [current, previous] : [current];
  const key = executionTokenKey(current);
  const macKeys = keys.map(executionTokenKey);
  const publicKeys = keys.map((each) => createPublicKey(each));
  return {
    make: (request, { attempt, audience, sealed }) =>
      sealed ? makeExecutionToken(key, request, attempt) : signExecutionToken(current, audience, request),
    async check(token) {
      if (!token.startsWith('ey')) return readExecutionToken(macKeys, token);
      const tried = publicKeys.map((each) => verifySignedExecutionToken(each, token, undefined));
      return Promise.any(tried).catch((cause: unknown) => {
        throw new PlatformError('TOKEN_INVALID', 'no gateway signed the execution token, or it has expired', {
          cause,
        });
      });
    },
  };
}
