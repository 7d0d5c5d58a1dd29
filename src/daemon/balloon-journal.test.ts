import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bootId } from '../host/small-file.ts';
import { BalloonJournal, JOURNAL_NAME, MAX_JOURNAL_BYTES, MAX_MARKS } from './balloon-journal.ts';

const MARK = { device: '/machine/peripheral/balloon0', intervalSeconds: 2 };

let folder: string;
let path: string;
let warnings: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-journal-'));
  path = join(folder, JOURNAL_NAME);
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

function open(): BalloonJournal {
  return BalloonJournal.open(folder, (reason) => warnings.push(reason));
}

/** A file as it would be written, but for what is said otherwise. */
function write(more: object): void {
  writeFileSync(path, JSON.stringify({ version: 1, boot: bootId(), marks: [{ id: 'a', ...MARK }], ...more }));
}

describe('the journal of what is set', () => {
  it('remembers beyond the end of the process, until nothing is set any more', () => {
    const first = open();
    expect(existsSync(path)).toBe(false);
    first.note('1234-5678', MARK);
    first.note('qmp+unix:/run/a', { ...MARK, intervalSeconds: 4294967295 });
    const second = open();
    expect(second.get('1234-5678')).toEqual(MARK);
    expect(second.get('qmp+unix:/run/a')?.intervalSeconds).toBe(4294967295);
    expect(second.get('other')).toBeUndefined();
    second.note('1234-5678', undefined);
    expect(open().get('1234-5678')).toBeUndefined();
    second.note('qmp+unix:/run/a', undefined);
    expect(existsSync(path)).toBe(false);
    expect(warnings).toEqual([]);
  });

  it('forgets what was before the machine was last started', () => {
    write({});
    expect(open().get('a')).toEqual(MARK);
    write({ boot: 'another' });
    expect(open().get('a')).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  it.each<[string, object]>([
    ['another version', { version: 2 }],
    ['what it does not know', { more: 1 }],
    ['no list', { marks: {} }],
    ['an interval of 0', { marks: [{ id: 'a', device: 'x', intervalSeconds: 0 }] }],
    ['too long an interval', { marks: [{ id: 'a', device: 'x', intervalSeconds: 2 ** 32 }] }],
    ['no device', { marks: [{ id: 'a', intervalSeconds: 1 }] }],
    ['too long an id', { marks: [{ id: 'a'.repeat(1025), device: 'x', intervalSeconds: 1 }] }],
    [
      'too many',
      {
        marks: Array.from({ length: MAX_MARKS + 1 }, (_, index) => ({
          id: `${index}`,
          device: 'x',
          intervalSeconds: 1,
        })),
      },
    ],
  ])('does not believe %s', (_, more) => {
    write(more);
    expect(open().get('a')).toBeUndefined();
    expect(warnings).toEqual([`${path} is not what a virtstatd wrote, and is not believed`]);
  });

  it('opens whatever the file holds', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        writeFileSync(path, text);
        expect(open().get('a')).toBeUndefined();
      }),
      { numRuns: 50 },
    );
    writeFileSync(path, 'x'.repeat(MAX_JOURNAL_BYTES + 1));
    expect(open().get('a')).toBeUndefined();
  });

  it('is bounded: the oldest is forgotten first', () => {
    const marks = Array.from({ length: MAX_MARKS }, (_, index) => ({ id: `${index}`, ...MARK }));
    write({ marks });
    const journal = open();
    expect(journal.get('0')).toEqual(MARK);
    journal.note('one more', MARK);
    expect([journal.get('0'), journal.get('1'), journal.get('one more')]).toEqual([undefined, MARK, MARK]);
    expect(JSON.parse(readFileSync(path, 'utf8')).marks).toHaveLength(MAX_MARKS);
  });

  it('refuses what it could not read again', () => {
    const journal = open();
    journal.note('a'.repeat(1024), MARK);
    for (const [id, mark] of [
      ['a'.repeat(1025), MARK],
      ['b', { ...MARK, device: 'd'.repeat(1025) }],
      ['b', { ...MARK, intervalSeconds: 0 }],
    ] as const) {
      expect(() => journal.note(id, mark)).toThrow(expect.objectContaining({ code: 'ACCESS_DENIED' }));
      expect(journal.get(id)).toBeUndefined();
    }
    expect(open().get('a'.repeat(1024))).toEqual(MARK);
  });

  it('remembers nothing that it could not write, and says so', () => {
    const journal = open();
    rmSync(folder, { recursive: true });
    expect(() => journal.note('a', MARK)).toThrow(expect.objectContaining({ code: 'ACCESS_DENIED' }));
    expect(journal.get('a')).toBeUndefined();
    journal.note('a', undefined);
    folder = mkdtempSync(join(tmpdir(), 'virtstat-journal-'));
  });
});
