import type { Issue } from '../errors.ts';
import { publisherSlug } from '../ids.ts';

const LETTER = /[\p{L}\p{M}\p{N}]/gu;
const KEPT = /[a-z0-9]/;

/**
 * Letters and digits that a publisher's slug has no room for: without them it would be a name that nobody chose. Asked of a publisher
 * that is new, and not when a manifest is read: who published under such a name goes on.
 */
export function publisherNameFaults(publisher: string): Issue[] {
  const lost = lostLetters(publisher);
  if (lost.length === 0) return [];
  const plain = publisher.normalize('NFKD').replace(/\p{M}/gu, '');
  const example = lostLetters(plain).length === 0 ? `, such as ${JSON.stringify(plain)}` : '';
  const letters = lost.map((letter) => JSON.stringify(letter)).join(', ');
  const message = `has ${letters}, which its slug "${publisherSlug(publisher)}" would lose; write it with a-z and 0-9${example}`;
  return [{ path: 'publisher', code: 'lost_letters', message }];
}

function lostLetters(publisher: string): string[] {
  const letters = publisher.normalize('NFC').toLowerCase().match(LETTER) ?? [];
  return [...new Set(letters.filter((letter) => !KEPT.test(letter)))];
}
