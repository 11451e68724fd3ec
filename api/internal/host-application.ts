import { createHash } from 'node:crypto';
import { json, Router, type Request, type Response } from 'express';
import { z } from 'zod';
import { DEADLINE_HEADER, HOST_FUNCTIONS, type HostFunction } from '../../core/api/host-application.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import { capabilityOfInterface, type CapabilityName, type CapabilityScope } from '../../core/capabilities.ts';
import { PlatformError } from '../../core/errors.ts';
import { MAX_TIMEOUT_MS } from '../../core/execute.ts';
import { parseInput } from '../../core/issues.ts';
import type { HostGrantStore } from '../../platform/db/host-grants.ts';
import type { HostClient, HostRequest } from '../../platform/host-application/host-client.ts';
import type { HostTokenClaims, HostTokens } from '../../platform/host-application/host-tokens.ts';
import type { ExecutionTokens } from '../execution/execution-tokens.ts';
import { inputOf } from '../request-input.ts';
import { hostCallOf, requireExecutionToken, type HostCallLocals } from './host-caller.ts';

const MAX_BODY = '256kb';
/** A token outlives its request by this much, for clocks that differ. */
const TOKEN_GRACE_MS = 5_000;

const deadline = z.coerce.number().int().min(1).max(MAX_TIMEOUT_MS);

/** Undefined where the operator connected no host application. */
export interface HostApplication {
  client: HostClient;
  tokens: HostTokens;
}

export interface HostApplicationDeps {
  hostApplication: HostApplication | undefined;
  hostGrants: HostGrantStore;
  executionTokens: Pick<ExecutionTokens, 'check'>;
}

/**
 * `POST /host/{clients,services,invoicing}/{function}` for a runner, on behalf of an execution: forwarded to the host application in the same words,
 * and so is its answer once it has the shape that guests are promised. That the execution is in flight, and its grant, are looked up
 * on every call.
 */
export function createHostApplicationRouter(deps: HostApplicationDeps): Router {
  const router = Router();
  const take = [requireExecutionToken(deps.executionTokens), json({ limit: MAX_BODY })];
  for (const [interfaceName, functions] of Object.entries<Record<string, HostFunction>>(HOST_FUNCTIONS)) {
    const capability = capabilityOfInterface(interfaceName);
    if (capability === undefined) throw new TypeError(`${interfaceName} has no capability`);
    for (const [name, { input, answer }] of Object.entries(functions)) {
      const path = `/${interfaceName}/${name}`;
      const body = z.object({ call: z.int().min(1), input });
      router.post(path, take, async (req: Request, res: Response) => {
        const { call, input } = inputOf(body, req.body);
        const { caller } = hostCallOf(res);
        const request = (): HostRequest => ({
          headers: {
            'content-type': 'application/json',
            'idempotency-key': keyOf(caller.executionId, path, call, input),
          },
          body: JSON.stringify(input),
        });
        const asked = { req, res, capability, path };
        res.json(
          await forward(deps, deps.hostApplication, asked, request, (client, bytes) =>
            readAnswer(client, path, answer, bytes),
          ),
        );
      });
    }
  }
  return router;
}

/** Where and for what the host application is asked. */
export interface Forwarded {
  req: Request;
  res: Response;
  capability: CapabilityName;
  /** Below its base URL. */
  path: string;
}

/** Sends to the host application what `request` makes of the grant's scope. Answers what `read` makes of the body of its 200. */
export async function forward<Answer>(
  { hostGrants }: Pick<HostApplicationDeps, 'hostGrants'>,
  to: HostApplication | undefined,
  { req, res, capability, path }: Forwarded,
  request: (scope: CapabilityScope) => HostRequest,
  read: (client: HostClient, body: Uint8Array) => Answer,
): Promise<Answer> {
  const leftMs = parseInput(
    deadline,
    req.get(DEADLINE_HEADER),
    `${DEADLINE_HEADER} says how much time is left`,
  );
  const { client, tokens } = connected(to);
  const call = hostCallOf(res);
  return client.post({
    tenantId: call.caller.tenantId,
    path,
    leftMs,
    gone: call.gone,
    read: (body) => read(client, body),
    async prepare(stillMs) {
      const { headers, body } = request(await hostGrants.scopeOf(call.caller, capability));
      const expiresAt = new Date(Date.now() + stillMs + TOKEN_GRACE_MS);
      const token = await tokens.sign(claimsOf(call, path), client.baseUrl, expiresAt);
      return {
        headers: {
          ...headers,
          accept: 'application/json',
          authorization: `Bearer ${token}`,
          [DEADLINE_HEADER]: String(stillMs),
        },
        ...(body !== undefined && { body }),
      };
    },
  });
}

function connected(to: HostApplication | undefined): HostApplication {
  if (to) return to;
  throw new PlatformError('HOST_APPLICATION_MISSING', 'this platform is connected to no host application');
}

function claimsOf({ caller, extensionId, userId }: HostCallLocals, path: string): HostTokenClaims {
  return {
    tenant: caller.tenantId,
    install: caller.installId,
    extension: extensionId,
    execution: caller.executionId,
    user: userId,
    call: path.slice(1),
  };
}

/** The same for a call that is sent again, and for the same call of an execution that is run again; no two calls of an execution share it. */
function keyOf(executionId: string, path: string, call: number, input: unknown): string {
  return createHash('sha256')
    .update(canonicalJson([executionId, path, call, input]))
    .digest('base64url');
}

function readAnswer(client: HostClient, path: string, schema: z.ZodType, bytes: Uint8Array): unknown {
  const unfit = (why: string): PlatformError => {
    client.warn(path, why);
    return new PlatformError('HOST_APPLICATION_FAILED', 'the host application answered in no shape of ours');
  };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw unfit('it answered with what is no JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.slice(0, 3).map(({ path: at, code }) => `${code} at "${at.join('.')}"`);
  throw unfit(`its answer has faults: ${faults.join(', ')}`);
}
