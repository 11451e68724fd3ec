import { json } from 'express';

/** Bodies of the management routes: small JSON objects. */
export const jsonBody = json({ limit: '256kb', reviver: refuseUnstorableText });

/** NUL and lone surrogates have no place in PostgreSQL's text, nor in anything a person means. */
function refuseUnstorableText(key: string, value: unknown): unknown {
  if (!isStorable(key) || (typeof value === 'string' && !isStorable(value))) {
    throw new SyntaxError('text with NUL or half a surrogate pair');
  }
  return value;
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}
