import { PlatformError } from '../../core/errors.ts';

/** Bytes of answers that are being read, so that no tenant, and not all of them together, fill the memory of the process. */
export interface HeldBytes {
  /** Throws EGRESS_LIMITED when there is no more room. */
  take(tenantId: string, bytes: number): void;
  release(tenantId: string, bytes: number): void;
}

/** `own`: of each tenant beside what all share, of which none holds more than it leaves free. */
export function createHeldBytes(limits: { ofTenant: number; own: number; shared: number }): HeldBytes {
  const { ofTenant, own, shared } = limits;
  const tenants = new Map<string, number>();
  let free = shared;
  const borrowed = (held: number): number => Math.max(0, held - own);
  return {
    take(tenantId, bytes) {
      const before = tenants.get(tenantId) ?? 0;
      const held = before + bytes;
      const more = borrowed(held) - borrowed(before);
      if (held > ofTenant || (more > 0 && borrowed(held) > free - more)) {
        throw new PlatformError('EGRESS_LIMITED', 'too much is being received at once');
      }
      tenants.set(tenantId, held);
      free -= more;
    },
    release(tenantId, bytes) {
      const before = tenants.get(tenantId) ?? 0;
      const left = before - bytes;
      if (left > 0) tenants.set(tenantId, left);
      else tenants.delete(tenantId);
      free += borrowed(before) - borrowed(left);
    },
  };
}
