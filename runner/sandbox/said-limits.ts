// What a sandbox may say at most, on both sides: the sandbox ends the guest that wants more, the supervisor a sandbox that says more.

export const MAX_HEAD_BYTES = 1024 * 1024;
/** Values in a head. */
export const MAX_VALUES = 10_000;
/** Bytes beside the head of a host call; more than any capability takes. */
export const MAX_CALL_BYTES = 1024 * 1024;
/** What a guest prints in one execution; the rest is cut. */
export const MAX_OUTPUT_BYTES = 64 * 1024;
/** Text that reaches a log or an answer. */
export const MAX_SAID_CHARACTERS = 1024;
export const MAX_RESPONSE_HEADERS = 100;
export const MAX_RESPONSE_HEADER_BYTES = 32 * 1024;
