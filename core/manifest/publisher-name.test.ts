import { describe, expect, it } from '@jest/globals';
import { publisherNameFaults } from './publisher-name.ts';

describe("a publisher's name", () => {
  it.each([
    'Nine Minds',
    'Alga',
    'r.e.d',
    'ACME, Inc. (3)',
    "O'Neill & Söhne".replace('ö', 'oe'),
    '🦊 Fox',
    'a_b',
  ])('may lose blanks and punctuation to its slug: %s', (name) => {
    expect(publisherNameFaults(name)).toEqual([]);
  });

  it.each([
    ['Réd', 'has "é", which its slug "r-d" would lose; write it with a-z and 0-9, such as "Red"'],
    ['Re\u0301d', 'has "é", which its slug "re-d" would lose; write it with a-z and 0-9, such as "Red"'],
    ['ÉÉ co', 'has "é", which its slug "co" would lose; write it with a-z and 0-9, such as "EE co"'],
    [
      'ｒｅｄ 1',
      'has "ｒ", "ｅ", "ｄ", which its slug "1" would lose; write it with a-z and 0-9, such as "red 1"',
    ],
    ['rеd', 'has "е", which its slug "r-d" would lose; write it with a-z and 0-9'],
    ['red²', 'has "²", which its slug "red" would lose; write it with a-z and 0-9, such as "red2"'],
    ['Straße 7', 'has "ß", which its slug "stra-e-7" would lose; write it with a-z and 0-9'],
  ])('may lose no letter and no digit: %s', (name, message) => {
    expect(publisherNameFaults(name)).toEqual([{ path: 'publisher', code: 'lost_letters', message }]);
  });
});
