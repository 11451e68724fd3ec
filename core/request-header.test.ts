import { describe, expect, it } from '@jest/globals';
import { requestHeaderName } from './request-header.ts';

const messageOf = (name: string): string | undefined =>
  requestHeaderName.safeParse(name).error?.issues[0]?.message;

describe('a header that an endpoint asks for', () => {
  it.each([
    'stripe-signature',
    'x-hub-signature-256',
    'x-gitlab-token',
    'prefer',
    'origin',
    'via-nothing',
    'hostname',
  ])('may be %s', (name) => {
    expect(messageOf(name)).toBeUndefined();
  });

  it.each([
    ['authorization', 'credential'],
    ['proxy-authorization', 'connection'],
    ['cookie', 'credential'],
    ['set-cookie', 'credential'],
    ['x-api-key', 'credential'],
    ['x-auth-token', 'credential'],
    ['host', 'connection'],
    ['connection', 'connection'],
    ['te', 'connection'],
    ['transfer-encoding', 'connection'],
    ['upgrade', 'connection'],
    ['content-length', 'connection'],
    ['forwarded', 'proxies'],
    ['x-forwarded-for', 'proxies'],
    ['x-forwarded-anything', 'proxies'],
    ['x-request-id', "platform's own"],
    ['x-execution-token', "platform's own"],
    ['idempotency-key', "platform's own"],
    ['traceparent', "platform's own"],
  ])('is not %s', (name, why) => {
    expect(messageOf(name)).toContain(why);
    expect(messageOf(name)).toContain('remove it');
  });

  it.each([
    'Stripe-Signature',
    'COOKIE',
    'cookie ',
    'a_b',
    'a--b',
    '-a',
    '',
    'a:b',
    '__proto__',
    'x'.repeat(65),
  ])('is no %j', (name) => {
    expect(messageOf(name)).toBeDefined();
  });
});
