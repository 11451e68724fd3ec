import type { Capability } from './capability.ts';

/** Opens no function: `runner/execution/shared-instance.ts` heeds it. */
export const sharedInstanceCapability: Capability = { name: 'instance.shared' };
