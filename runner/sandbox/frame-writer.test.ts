import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { createFrameWriter } from './frame-writer.ts';

describe('writing frames', () => {
  it('writes those of one turn of the event loop at once, in their order, and each later one in its own turn', async () => {
    const writes: string[] = [];
    const stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        writes.push(chunk.toString());
        done();
      },
      writev: (chunks, done) => {
        writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)).toString());
        done();
      },
    });
    const write = createFrameWriter(stream);
    const turn = () => new Promise(setImmediate);
    write([Buffer.from('a'), Buffer.from('b')]);
    await Promise.resolve();
    await new Promise<void>((resolve) => process.nextTick(resolve));
    write([Buffer.from('c')]);
    expect(writes).toEqual([]);
    await turn();
    expect(writes).toEqual(['abc']);
    write([Buffer.from('d')]);
    await turn();
    expect(writes).toEqual(['abc', 'd']);
  });
});
