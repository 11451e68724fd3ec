import { z } from 'zod';
import { defineCapability, type HostFunction, type LogLevel } from './capability.ts';

const args = z.tuple([z.string()]);

/** Lines of the guest's own log. */
export const loggingCapability = defineCapability({
  name: 'log.emit',
  settings: z.strictObject({}),
  bind({ guestLog }) {
    const log =
      (level: LogLevel): HostFunction =>
      (given) => {
        const [message] = args.parse(given);
        guestLog(level, message);
        return { ok: undefined };
      };
    return { logging: { 'log-info': log('info'), 'log-warn': log('warn'), 'log-error': log('error') } };
  },
});
