import { describe, expect, it } from '@jest/globals';
import { createStderrTail, exceptionText, POSITION } from './exception-text.ts';

describe('what a guest ended with', () => {
  it('is message and stack of StarlingMonkey, causes included, without its glue', () => {
    const said = [
      'order 42 has no lines',
      'Stack:',
      '  deep@main.js:3:22',
      '  handler@main.js:9:28',
      '  export_handler@/tmp/1d5b7351effd/sources/initializer.js:185:15',
      '',
      'Caused by: the cause',
      'Stack:',
      '  deep@main.js:3:84',
      '',
      'Redirecting call to abort() to mozalloc_abort',
      '',
    ];
    expect(exceptionText(said.join('\n'))).toBe(
      [
        'order 42 has no lines',
        'Stack:',
        '  deep@main.js:3:22',
        '  handler@main.js:9:28',
        'Caused by: the cause',
        'Stack:',
        '  deep@main.js:3:84',
      ].join('\n'),
    );
  });

  it('is message and stack of QuickJS out of the panic that it ends in', () => {
    const said = String.raw`
thread '<unnamed>' (1) panicked at crates/runtime/src/interpreter.rs:51:31:
Failed to call 'handler': Exception(Exception { message: Some("a \"quoted\"\nmessage \u{1f98a}"), stack: Some("    at deep (/main.js:3:88)\n    at handler (/main.js:8:24)\n") })
note: run with ${'`RUST_BACKTRACE=1`'} environment variable to display a backtrace
`;
    expect(exceptionText(said)).toBe(
      'a "quoted"\nmessage 🦊\n    at deep (/main.js:3:88)\n    at handler (/main.js:8:24)',
    );
  });

  it('is the value that QuickJS was thrown', () => {
    expect(
      exceptionText(`panicked at x.rs:51:31:\nFailed to call 'handler': Value(String(Ok("just text")))\n`),
    ).toBe('"just text"');
  });

  it('is all that was said where its form is not known', () => {
    const panic = "thread '<unnamed>' panicked at src/lib.rs:10:5:\nindex out of bounds";
    expect(exceptionText(`\n${panic}\n`)).toBe(panic);
  });

  it.each([
    ['a.'.repeat(8_000)],
    ['a/'.repeat(8_000)],
    ['-a'.repeat(8_000)],
    ['@'.repeat(16_000)],
    [`Failed to call '': Exception(Exception { message: Some("`.repeat(300)],
    [`Failed to call '': Value(`.repeat(600)],
  ])('is found in one pass, whatever was said: %.20s…', (said) => {
    // What goes back and forth over these takes minutes.
    const before = process.cpuUsage();
    exceptionText(said);
    said.replace(POSITION, '');
    const { user, system } = process.cpuUsage(before);
    expect(user + system).toBeLessThan(2_000_000);
  });
});

describe('the end of standard error', () => {
  it('is kept, of any amount', () => {
    const tail = createStderrTail();
    for (let line = 0; line < 10_000; line += 1) tail.add(Buffer.from(`line ${line}\n`));
    expect(tail.text()).toHaveLength(16 * 1024);
    expect(tail.text().endsWith('line 9999\n')).toBe(true);
  });
});
