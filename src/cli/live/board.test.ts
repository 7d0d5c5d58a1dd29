import { describe, expect, it } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import type { Sample } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import type { SampleAnswer } from '../../registry/answer.ts';
import { displayWidth } from '../render/text.ts';
import { SchemaBook } from '../schema-book.ts';
import { plainPaint } from '../terminal.ts';
import { Board, HISTORY_LENGTH } from './board.ts';
import { boardLines } from './board-text.ts';

const SECOND_NS = 1_000_000_000n;
const domain = { id: 'i', name: 'lab-1', source: 'local:' };
const stats: readonly StatDescriptor[] = [
  { name: 'quiet', type: 'cumulative', exponent: 0 },
  { name: 'slow', type: 'cumulative', exponent: 0 },
  { name: 'fast', type: 'cumulative', exponent: 0 },
  { name: 'waited', type: 'cumulative', unit: 'seconds', base: 10, exponent: -9 },
  { name: 'now', type: 'instant', exponent: 0 },
  { name: 'hist', type: 'log2-histogram', exponent: 0 },
];
const book = new SchemaBook([{ domain, items: [{ provider: 'kvm', target: 'vcpu', stats }], errors: [] }]);

function sampleAt(second: bigint, cpu: bigint): Sample {
  return {
    domain: 'lab-1',
    provider: 'kvm',
    target: 'vcpu',
    path: `/cpu/${cpu}`,
    via: 'test',
    collectedAtNs: second * SECOND_NS,
    stats: [
      { name: 'quiet', value: 7n },
      { name: 'slow', value: second },
      { name: 'fast', value: second * 1000n * (cpu + 1n) },
      { name: 'waited', value: (second * SECOND_NS) / 2n },
      { name: 'now', value: second },
      { name: 'hist', value: [second * 1_000_000n, 0n] },
    ],
  };
}

function answerAt(second: bigint): SampleAnswer {
  return { domain, items: [sampleAt(second, 0n), sampleAt(second, 1n)], errors: [] };
}

describe('a board', () => {
  it('ranks what moves, and leaves out what does not', () => {
    const board = new Board();
    board.update('vcpu', [answerAt(1n)], book);
    expect(board.sections[0]?.columns).toEqual([]);
    board.update('vcpu', [answerAt(2n)], book);
    expect(board.sections[0]?.columns.map(({ name }) => name)).toEqual(['fast', 'waited', 'slow']);
    expect(board.sections[0]?.rows[1]?.rates.get('fast')).toEqual([2000]);
  });

  it('has no row for what only tells how things are', () => {
    const own = new SchemaBook([
      { domain, items: [{ provider: 'kvm', target: 'vcpu', stats }], errors: [] },
      { domain, items: [{ provider: 'state', target: 'vcpu', stats: stats.slice(4, 5) }], errors: [] },
    ]);
    const still = { ...sampleAt(1n, 0n), provider: 'state', stats: [{ name: 'now', value: 1n }] };
    const board = new Board();
    board.update('vcpu', [{ domain, items: [sampleAt(1n, 0n), still], errors: [] }], own);
    expect(board.sections[0]?.rows.map(({ sample }) => sample.provider)).toEqual(['kvm']);
  });

  it('remembers a bounded history', () => {
    const board = new Board();
    for (let second = 0n; second < 40n; second++) board.update('vcpu', [answerAt(second)], book);
    expect(board.sections[0]?.rows[0]?.rates.get('slow')).toEqual(Array(HISTORY_LENGTH).fill(1));
  });

  it('shows rates for the room that there is', () => {
    const board = new Board();
    board.update('vcpu', [answerAt(1n)], book);
    board.update('vcpu', [answerAt(2n)], book);
    expect(boardLines(board, 'title', { columns: 80, rows: 24 }, plainPaint)).toEqual([
      'title',
      '',
      'vcpu              fast        waited          slow  trend',
      'lab-1 #0        1000/s      500 ms/s           1/s  █',
      'lab-1 #1        2000/s      500 ms/s           1/s  █',
    ]);
    const narrow = boardLines(board, 'title', { columns: 40, rows: 4 }, plainPaint);
    expect(narrow).toHaveLength(4);
    expect(narrow.at(-1)).toBe('… 2 more lines');
    expect(narrow.every((line) => displayWidth(line) <= 40)).toBe(true);
    expect(boardLines(board, 'title', { columns: 10, rows: 1 }, plainPaint)).toEqual(['title']);
  });

  it('keeps a domain that fails, with the age of its values and the reason', () => {
    const board = new Board();
    board.update('vcpu', [answerAt(1n)], book);
    const error = new VirtstatError('TIMEOUT', 'no answer');
    const stale = { ageNs: 2n * SECOND_NS, code: 'TIMEOUT', reason: 'no answer' };
    board.update('vcpu', [{ domain, items: [{ ...sampleAt(1n, 0n), stale }], errors: [error] }], book);
    board.update('vm', [{ domain, items: [], errors: [error] }], book);
    const lines = boardLines(board, 'title', { columns: 80, rows: 24 }, plainPaint);
    expect(lines).toContain('lab-1 #0  2 s old: no answer');
    expect(lines.filter((line) => line === 'lab-1: no answer')).toHaveLength(1);
  });

  it('says that there is nothing yet', () => {
    expect(boardLines(new Board(), 'title', { columns: 80, rows: 24 }, plainPaint)).toEqual([
      'title',
      '',
      'no values yet',
    ]);
  });
});
