import { describe, expect, it } from 'vitest';
import { VirtstatError } from '../model/errors.ts';
import { EXIT, messageOf, statusOfAnswers, statusOfError } from './exit.ts';

const domain = { id: 'd', name: 'd', source: 'test:' };
const error = new VirtstatError('TIMEOUT', 'late');
const stale = { stale: { ageNs: 1n, code: 'TIMEOUT', reason: 'late' } };

describe('the exit status', () => {
  it('of an error is by its code', () => {
    expect(statusOfError(new VirtstatError('UNKNOWN_STAT', 'x'))).toBe(EXIT.usage);
    expect(statusOfError(new VirtstatError('URI_INVALID', 'x'))).toBe(EXIT.usage);
    expect(statusOfError(new VirtstatError('NOTHING_MATCHED', 'x'))).toBe(EXIT.nothingMatched);
    expect(statusOfError(error)).toBe(EXIT.failed);
    expect(statusOfError(new TypeError('x'))).toBe(EXIT.failed);
    expect(statusOfError('thrown')).toBe(EXIT.failed);
  });

  it('is success where one domain answered', () => {
    const good = { domain, items: [{}], errors: [] };
    const bad = { domain, items: [], errors: [error] };
    expect(statusOfAnswers([bad, good])).toBe(EXIT.done);
    expect(statusOfAnswers([{ domain, items: [{}], errors: [error] }])).toBe(EXIT.done);
    expect(statusOfAnswers([bad])).toBe(EXIT.failed);
    expect(statusOfAnswers([{ domain, items: [stale], errors: [error] }])).toBe(EXIT.failed);
    expect(statusOfAnswers([{ domain, items: [stale], errors: [] }])).toBe(EXIT.failed);
    expect(statusOfAnswers([{ domain, items: [], errors: [] }])).toBe(EXIT.nothingMatched);
    expect(statusOfAnswers([])).toBe(EXIT.nothingMatched);
  });
});

describe('a message', () => {
  it('is one line', () => {
    expect(messageOf(new Error('a\n  b\r\nc'))).toBe('a b c');
    expect(messageOf(7)).toBe('7');
    expect(messageOf(new Error('no \x1b[2J'))).toBe('no \\x1b[2J');
  });
});
