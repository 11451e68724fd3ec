import { kindOf, type ErrorCode, type ErrorKind } from './errors.ts';

const EXTENSIONS_DOING =
  "it is the extension's own doing: read its log in the executions of this install, tell its author, or take another version";
const ASK_ANEW = 'correct what the message names and ask again; what runs or serves now was not touched';

const BY_KIND: Record<ErrorKind, string> = {
  invalid: ASK_ANEW,
  unauthenticated: ASK_ANEW,
  forbidden: ASK_ANEW,
  not_found: ASK_ANEW,
  conflict: ASK_ANEW,
  limit: 'wait, or raise the limit that the message names, and ask again',
  guest: EXTENSIONS_DOING,
  unavailable: 'see that what the message names is up and can be reached, and ask again',
  internal:
    'it is a fault of the platform: the cause below has the message and the stack; ask again once that is put right',
};

const BY_CODE: Partial<Record<ErrorCode, string>> = {
  OPERATION_CANCELLED: 'nothing, if that was meant; else ask again',
  OPERATION_LOST: 'ask again',
  OPERATION_EXPIRED: 'ask again; if it happens often, no worker takes tasks in time',
  HEALTH_CHECK_FAILED: `call the health endpoint and read why; ${EXTENSIONS_DOING}`,
  SANDBOX_LOST: "look at the runner's log and memory, and ask again",
  RUNNER_BUSY: 'add runners or wait, and ask again',
  GATEWAY_UNAVAILABLE: "see that the worker's GATEWAY_BASE_URL and credential are right, and ask again",
  CAPABILITY_UNAVAILABLE: 'take a version that does without what this platform lacks',
};

/** What an operator does about a failure, in one sentence. */
export function adviceFor(code: ErrorCode): string {
  return BY_CODE[code] ?? BY_KIND[kindOf(code)];
}
