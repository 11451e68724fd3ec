import { describe, expect, it } from '@jest/globals';
import { checkResponse } from './guest-response.ts';

const header = (name: string, value: string) => ({ name, value });

describe("a guest's response", () => {
  it('keeps repeated headers, under one name in lower case', () => {
    const headers = [header('Set-Cookie', 'a=1'), header('set-cookie', 'b=2'), header('X-One', '1')];
    expect(checkResponse({ status: 200, headers }, 10)).toEqual({
      status: 200,
      headers: { 'set-cookie': ['a=1', 'b=2'], 'x-one': '1' },
      body: new Uint8Array(),
    });
  });

  it.each([0, 99, 100, 101, 199, 600, 65_535, 200.5, NaN])('is none with status %d', (status) => {
    expect(checkResponse({ status, headers: [] }, 10)).toMatchObject({ code: 'GUEST_ERROR' });
  });

  it.each([
    ['a name with a space', header('a b', 'c')],
    ['an empty name', header('', 'c')],
    ['a line break in a value', header('a', 'b\r\nset-cookie: x=1')],
    ['a zero in a value', header('a', '\0')],
  ])('is none with %s', (_what, bad) => {
    expect(checkResponse({ status: 200, headers: [bad] }, 10)).toMatchObject({ code: 'GUEST_ERROR' });
  });

  it('is none with a body where HTTP has none', () => {
    expect(checkResponse({ status: 204, headers: [], body: new Uint8Array(1) }, 10)).toMatchObject({
      code: 'GUEST_ERROR',
    });
  });

  it('is too large over the limits of body and headers', () => {
    const tooLarge = { code: 'GUEST_RESPONSE_TOO_LARGE' };
    expect(checkResponse({ status: 200, headers: [], body: new Uint8Array(11) }, 10)).toMatchObject(tooLarge);
    expect(checkResponse({ status: 200, headers: [header('a', 'x'.repeat(40_000))] }, 10)).toMatchObject(
      tooLarge,
    );
    const many = Array.from({ length: 101 }, (_, at) => header(`h${at}`, ''));
    expect(checkResponse({ status: 200, headers: many }, 10)).toMatchObject(tooLarge);
  });
});
