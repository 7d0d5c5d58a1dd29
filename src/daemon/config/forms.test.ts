import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  absolutePath,
  count,
  duration,
  durationText,
  fileMode,
  hostPort,
  listOf,
  MAX_WORD_LENGTH,
  oneOf,
  word,
} from './forms.ts';

/** What is wrong with a value, by its first sentence; undefined where nothing is. */
function wrong(type: ReturnType<typeof word | typeof duration | typeof listOf | typeof hostPort>, value: unknown) {
  const result = type.safeParse(value);
  return result.success ? undefined : result.error.issues[0]?.message;
}

describe('duration', () => {
  const right = duration(10, 300_000);

  it('has a unit', () => {
    expect(right.parse('10ms')).toBe(10);
    expect(right.parse('1s')).toBe(1000);
    expect(right.parse('2.5s')).toBe(2500);
    expect(right.parse('5m')).toBe(300_000);
    for (const text of ['1', '', 's', '1 s', '-1s', '1S', '1e3ms', '1s ', '0x1s', '١s', '1w', '9999999999ms']) {
      expect(wrong(right, text), text).toContain('is no duration');
    }
    expect(wrong(right, 3)).toContain('must be a duration in quotes');
  });

  it('is bounded on both sides', () => {
    expect(wrong(right, '9ms')).toContain('must be from 10ms to 5m');
    expect(wrong(right, '5.001m')).toContain('out of bounds');
    expect(duration(0, 1000).parse('0s')).toBe(0);
  });

  it('is written so that it is read again', () => {
    expect([0, 1, 1500, 2000, 60_000, 90_000, 7_200_000].map(durationText)).toEqual([
      ...['0s', '1ms', '1500ms', '2s', '1m', '90s', '2h'],
    ]);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999 }), (ms) => {
        expect(duration(0, 1e9).parse(durationText(ms))).toBe(ms);
      }),
    );
  });
});

describe('count', () => {
  it('is a whole number in its bounds, or a text of one', () => {
    const right = count(1, 20);
    expect([1, '1', 20, '20', '020'].map((value) => right.parse(value))).toEqual([1, 1, 20, 20, 20]);
    for (const value of [0, '0', 21, '21', 1.5, '1.5', '', ' 1', '-1', '0x1', 9007199254740993n, '9999999999', null]) {
      expect(wrong(right, value), String(value)).toContain('must be a whole number from 1 to 20');
    }
  });
});

describe('hostPort', () => {
  it('is a name or an address, and a port', () => {
    expect(hostPort().parse('0.0.0.0:1')).toEqual({ host: '0.0.0.0', port: 1 });
    expect(hostPort().parse('[::1]:65535')).toEqual({ host: '::1', port: 65535 });
    expect(hostPort().parse('host-1.example:16515')).toEqual({ host: 'host-1.example', port: 16515 });
    const texts = [
      '',
      '16515',
      ':16515',
      'host',
      'host:',
      'host:0',
      'host:65536',
      '::1:16515',
      '[::1]',
      '[::g]:1',
      '[1]:1',
    ];
    for (const text of [...texts, 'a b:1', 'a/b:1', 'tls://a:1', 'a:1x', 'a@b:1', '[::1%lo]:1']) {
      expect(wrong(hostPort(), text), text).toContain('must be HOST:PORT');
    }
    expect(wrong(hostPort(), 16515)).toContain('in quotes');
  });
});

describe('fileMode', () => {
  it('is octal', () => {
    expect(fileMode().parse('0660')).toBe(0o660);
    expect(fileMode().parse('777')).toBe(0o777);
    for (const text of ['', '66', '0888', '1777', '0o660', 'rw-rw----'])
      expect(wrong(fileMode(), text)).toContain('no mode');
    expect(wrong(fileMode(), 660)).toContain('in quotes');
  });
});

describe('absolutePath', () => {
  it('is absolute and leaves room', () => {
    const right = absolutePath(10, ', so that it does not fit');
    expect(right.parse('/123456789')).toBe('/123456789');
    expect(wrong(right, '/1234567890')).toContain('longer than 10 bytes');
    expect(wrong(right, '/ääääää')).toContain('longer than 10 bytes');
    expect(wrong(right, 'run')).toContain('no absolute path');
    expect(wrong(right, '/a\0b')).toContain('no absolute path');
    expect(wrong(right, true)).toContain('must be an absolute path');
  });
});

describe('the others', () => {
  it('oneOf names the right ones', () => {
    expect(oneOf(['a', 'b']).parse('b')).toBe('b');
    expect(wrong(oneOf(['a', 'b']), 'c')).toBe('"c" is not one of "a", "b"');
    expect(wrong(oneOf(['a', 'b']), 2n)).toContain('"2" is not one of');
    expect(wrong(oneOf(['a', 'b']), 'x'.repeat(200))?.length).toBeLessThan(130);
  });

  it('word is bounded', () => {
    const right = word(/^x+$/, 'some x');
    expect(right.parse('x'.repeat(MAX_WORD_LENGTH))).toHaveLength(MAX_WORD_LENGTH);
    expect(wrong(right, 'x'.repeat(MAX_WORD_LENGTH + 1))).toContain('longer than');
    expect(right.safeParse('').error?.issues.map(({ message }) => message)).toEqual(['is empty; it must be some x']);
    expect(wrong(right, 'y')).toBe('"y" is not right; it must be some x');
  });

  it('listOf is bounded on both sides', () => {
    const right = listOf(word(/x/, 'x'), 1, 2);
    expect(right.parse(['x', 'x'])).toEqual(['x', 'x']);
    expect(wrong(right, [])).toContain('at least 1');
    expect(wrong(right, ['x', 'x', 'x'])).toContain('more than 2');
    expect(wrong(right, 'x')).toContain('square brackets');
    expect(wrong(right, undefined)).toContain('is missing');
  });
});
