import type { Issue } from '../errors.ts';

/** What an error is made of: a problem, or what is known where no problem came back. */
interface Refusal {
  code: string;
  detail: string;
  requestId?: string | undefined;
  issues?: readonly Issue[] | undefined;
  [member: string]: unknown;
}

/** Thrown when a call of the API got no answer of its route's: the server refused it, or what answered is not the server. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status. */
  readonly status: number;
  /** A code of `core/errors.ts`, or one of a newer server's; ANSWER_INVALID if the answer could not be understood. */
  readonly code: string;
  readonly requestId: string | undefined;
  readonly issues: readonly Issue[];
  /** The whole problem, members of the route's own included. */
  readonly problem: Readonly<Record<string, unknown>>;

  constructor(refusal: Refusal, status: number) {
    super(refusal.detail);
    this.status = status;
    this.code = refusal.code;
    this.requestId = refusal.requestId;
    this.issues = refusal.issues ?? [];
    this.problem = refusal;
  }
}
