import { expect, it } from '@jest/globals';
import { readOwnPermission, writeOwnPermission } from './own-permission.ts';

it.each([
  ['acme.billing:invoices:send', 'acme.billing', 'invoices:send'],
  ['acme-tools.com.example.billing:manage', 'acme-tools.com.example.billing', 'manage'],
])('%s is a permission of an extension', (text, extension, permission) => {
  expect(readOwnPermission(text)).toEqual({ extension, permission });
  expect(writeOwnPermission({ extension, permission })).toBe(text);
});

it.each([
  'extension:read',
  'tenant:admin',
  'billing:manage',
  'acme.billing',
  'acme.billing:',
  'acme.billing:Manage',
  'acme.billing:a b',
  'Acme.billing:manage',
  ':manage',
  '00000000-0000-4000-8000-000000000000:manage',
  '',
])('%j is none', (text) => {
  expect(readOwnPermission(text)).toBeUndefined();
});
