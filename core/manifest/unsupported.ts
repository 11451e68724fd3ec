import type { Issue } from '../errors.ts';
import type { Manifest } from './schema.ts';

/**
 * What the format has and this platform does not do yet. A version that asks for it is refused when it is published, and not when its
 * manifest is read again: versions published before keep working as they did.
 */
export function unsupportedFields({ events, schedules }: Manifest): Issue[] {
  const asked: [string, boolean, string][] = [
    ['events', events.length > 0, 'are something this platform does not deliver yet; remove them'],
    ['schedules', schedules.length > 0, 'are something this platform does not run yet; remove them'],
  ];
  return asked.flatMap(([path, isAsked, message]) =>
    isAsked
      ? [
          {
            path,
            code: 'unsupported',
            message,
            expected: 'nothing, so far',
            fix: `remove ${JSON.stringify(path)}`,
          },
        ]
      : [],
  );
}
