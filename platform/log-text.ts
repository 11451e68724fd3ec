import { styleText } from 'node:util';
import { z } from 'zod';

const line = z.looseObject({
  level: z.string(),
  time: z.iso.datetime(),
  process: z.string(),
  msg: z.string().optional(),
  err: z.looseObject({ stack: z.string().optional() }).optional(),
});

const COLOURS = { warn: 'yellow', error: 'red', fatal: 'red' } as const;
const INDENT = '\n    ';
// What a terminal would obey, or show in another order than it stands.
// eslint-disable-next-line no-control-regex -- control characters are what it finds
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A line of the logger as people read it. Undefined if it is none of the logger's. */
export function readableLine(json: string, { colour }: { colour: boolean }): string | undefined {
  const parsed = line.safeParse(parseJson(json));
  if (!parsed.success) return undefined;
  const { level, time, process, msg = '', err, ...fields } = parsed.data;
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const known = Object.hasOwn(COLOURS, level) ? COLOURS[level as keyof typeof COLOURS] : undefined;
  const label = printable(level.padEnd(5));
  const facts = Object.entries(fields).map(
    ([name, value]) => `${printable(name)}=${printable(shown(value))}`,
  );
  return [
    paint('dim', localTime(time)),
    known === undefined ? label : paint(known, label),
    printable(process).padEnd(17),
    printable(msg),
    ...(facts.length > 0 ? [paint('dim', facts.join(' '))] : []),
  ]
    .join(' ')
    .trimEnd()
    .concat(err === undefined ? '' : `${INDENT}${printable(err.stack ?? JSON.stringify(err))}`);
}

/** Text that a terminal shows and does not obey; further lines are indented, so that none can pass for a line of ours. */
export function printable(text: string): string {
  return text
    .replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replaceAll('\n', INDENT);
}

function shown(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no line of the logger
  }
}

function localTime(iso: string): string {
  const at = new Date(iso);
  const two = (part: number): string => String(part).padStart(2, '0');
  const ms = String(at.getMilliseconds()).padStart(3, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}
