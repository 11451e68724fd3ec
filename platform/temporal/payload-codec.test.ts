import { describe, expect, it } from '@jest/globals';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { SecretValue } from '../../core/secret-value.ts';
import { createPayloadCodec } from './payload-codec.ts';

const keyOf = (byte: number, length = 32): SecretValue =>
  new SecretValue(Buffer.alloc(length, byte).toString('base64'));
const payload = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);
const utf8 = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString('utf8');

describe('the payload codec', () => {
  const codec = createPayloadCodec([keyOf(1)]);

  it('gives back what it encrypted', async () => {
    const values = [{ tenantId: 'a', consent: ['storage.kv'] }, 'text', null, 7];
    const decoded = await codec.decode(await codec.encode(values.map(payload)));
    expect(decoded.map((one) => defaultPayloadConverter.fromPayload(one))).toEqual(values);
  });

  it('shows nothing of the value, and names the key without showing it', async () => {
    const [encrypted] = await codec.encode([payload('a plain string')]);
    const raw = JSON.stringify({ data: utf8(encrypted?.data), metadata: encrypted?.metadata });
    expect(raw).not.toContain('a plain string');
    expect(utf8(encrypted?.metadata?.['encoding'])).toBe('binary/encrypted');
    expect(utf8(encrypted?.metadata?.['encryption-key-id'])).toMatch(/^[0-9a-f]{16}$/);
    expect(Buffer.from(encrypted?.data ?? []).includes(Buffer.alloc(32, 1))).toBe(false);
  });

  it('never encrypts the same value to the same bytes', async () => {
    const [one, two] = await codec.encode([payload('same'), payload('same')]);
    expect(Buffer.from(one?.data ?? [])).not.toEqual(Buffer.from(two?.data ?? []));
  });

  it('refuses what another key encrypted', async () => {
    const encrypted = await createPayloadCodec([keyOf(2)]).encode([payload('x')]);
    await expect(codec.decode(encrypted)).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('reads what a previous key encrypted, and encrypts with the current one', async () => {
    const rotated = createPayloadCodec([keyOf(2), keyOf(1), keyOf(3)]);
    const [old] = await codec.encode([payload('x')]);
    const [fresh] = await rotated.encode([payload('y')]);
    const decoded = await rotated.decode([old, fresh].filter((one) => one !== undefined));
    expect(decoded.map((one) => defaultPayloadConverter.fromPayload(one))).toEqual(['x', 'y']);
    await expect(codec.decode([fresh ?? {}])).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('refuses what was changed on the way', async () => {
    const [encrypted] = await codec.encode([payload('x')]);
    const data = Buffer.from(encrypted?.data ?? []);
    data[20] = (data[20] ?? 0) ^ 1;
    await expect(codec.decode([{ ...encrypted, data }])).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('refuses what is cut short', async () => {
    const [encrypted] = await codec.encode([payload('x')]);
    await expect(codec.decode([{ ...encrypted, data: Buffer.alloc(10) }])).rejects.toMatchObject({
      code: 'INTERNAL',
    });
  });

  it('passes through what was never encrypted', async () => {
    const plain = payload('x');
    expect(await codec.decode([plain])).toEqual([plain]);
  });

  it('refuses a key of the wrong length, without showing it', () => {
    const key = keyOf(3, 16);
    expect(() => createPayloadCodec([key])).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(() => createPayloadCodec([key])).not.toThrow(key.reveal());
    expect(() => createPayloadCodec([keyOf(1), key])).toThrow('PAYLOAD_CODEC_PREVIOUS_KEYS');
  });
});
