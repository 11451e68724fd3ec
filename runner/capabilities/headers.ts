import type { Capability } from './capability.ts';

/** Opens no function: the gateway heeds it, which sends no other headers. */
export const headersCapability: Capability = { name: 'headers.read' };
