import { describe, expect, it } from 'vitest';
import type { Growth } from '../../model/growth.ts';
import type { Sample, StatEntry } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { SchemaBook } from '../schema-book.ts';
import { plainPaint } from '../terminal.ts';
import { histogramLines, histogramSummary } from './histogram.ts';
import { listText } from './list-text.ts';
import { queryText } from './query-text.ts';
import { scaled } from './scaled.ts';
import { schemasText } from './schemas-text.ts';
import { tableLines } from './table.ts';
import { clip, displayWidth, pad, printable } from './text.ts';

const domain = { id: 'i', name: 'lab-1', source: 'local:' };
const log2: StatDescriptor = { name: 'wait', type: 'log2-histogram', unit: 'seconds', base: 10, exponent: -9 };

describe('text for a terminal', () => {
  it('has no control characters', () => {
    expect(printable('a\u001b[31mb\nc\u007f\u009b\u202e')).toBe('a\\x1b[31mb\\x0ac\\x7f\\x9b\\u202e');
    expect(printable('Müller 虚拟')).toBe('Müller 虚拟');
  });

  it('is measured in columns', () => {
    expect(displayWidth('abc')).toBe(3);
    expect(displayWidth('虚拟')).toBe(4);
    expect(displayWidth('e\u0301')).toBe(1);
    expect(displayWidth('\u001b[1mab\u001b[22m')).toBe(2);
    expect(pad('虚', 4)).toBe('虚  ');
    expect(pad('7', 3, 'right')).toBe('  7');
  });

  it('is cut to a width', () => {
    expect(clip('abcdef', 6)).toBe('abcdef');
    expect(clip('abcdef', 4)).toBe('abc…');
    expect(clip('虚拟机', 4)).toBe('虚…');
  });
});

it('a unit that is none of ours cannot steer the terminal', () => {
  expect(scaled(5n, { unit: '\u001b[2J', exponent: 0 })).toBe('5 \\x1b[2J');
});

describe('a table', () => {
  it('has columns as wide as their widest cell and no blanks at the end', () => {
    const rows = [
      ['a', 'bb', ''],
      ['ccc', 'd', 'e'],
    ];
    expect(tableLines(rows, { right: new Set([1]), indent: ' ' })).toEqual([' a    bb', ' ccc   d  e']);
  });
});

describe('a histogram', () => {
  const counts = Array.from({ length: 32 }, (_, index) => ({ 3: 1n, 25: 2n, 26: 49n, 31: 4n })[index] ?? 0n);

  it('is summed up with the bounds of its percentiles', () => {
    expect(histogramSummary(log2, counts)).toBe('56 values, p50 [33.55 ms, 67.11 ms), p99 [1.074 s, ∞)');
    expect(histogramSummary(log2, [0n, 0n])).toBe('0 values');
    expect(histogramSummary({ ...log2, type: 'linear-histogram' }, [1n])).toBe('1 values');
  });

  it('shows what it counted, the smallest first, with empty runs folded', () => {
    expect(histogramLines(log2, counts, '')).toEqual([
      '[4 ns, 8 ns)           1  █',
      '…',
      '[16.78 ms, 33.55 ms)   2  █',
      `[33.55 ms, 67.11 ms)  49  ${'█'.repeat(24)}`,
      '…',
      '[1.074 s, ∞)           4  █',
    ]);
    expect(histogramLines(log2, [0n, 0n], '')).toEqual([]);
    expect(histogramLines({ name: 'x', type: 'linear-histogram', exponent: 0 }, [0n, 3n], '')).toEqual([
      `bucket 1  3  ${'█'.repeat(24)}`,
    ]);
  });
});

describe('the text of query', () => {
  const stats: readonly StatDescriptor[] = [
    { name: 'exits', type: 'cumulative', exponent: 0 },
    { name: 'waited', type: 'cumulative', unit: 'seconds', base: 10, exponent: -9 },
    { name: 'blocking', type: 'instant', unit: 'boolean', exponent: 0 },
    { name: 'memory', type: 'peak', unit: 'bytes', exponent: 0 },
    log2,
  ];
  const entries: readonly StatEntry[] = [
    { name: 'exits', value: 18446744073709551615n },
    { name: 'waited', value: 9121577434n },
    { name: 'blocking', value: true },
    { name: 'memory', value: 1536n },
    { name: 'wait', value: [0n, 3n] },
    { name: 'unheard_of', value: [1n, 2n] },
  ];
  const sample: Sample = {
    domain: 'lab-1',
    provider: 'kvm',
    target: 'vcpu',
    path: '/machine/x',
    via: 'qmp',
    collectedAtNs: 0n,
    stats: entries,
  };
  const book = new SchemaBook([{ domain, items: [{ provider: 'kvm', target: 'vcpu', stats }], errors: [] }]);
  const view = { book, paint: plainPaint };

  it('has a histogram by the boundaries beside it, and lists that push no other value apart', () => {
    const latency: StatDescriptor = { name: 'latency', type: 'histogram', unit: 'seconds', base: 10, exponent: -9 };
    const bounds: StatDescriptor = { ...latency, name: 'latency_boundaries', type: 'instant' };
    const disk: Sample = {
      ...sample,
      stats: [
        { name: 'exits', value: 1n },
        { name: 'latency', value: [0n, 1n, 3n] },
        { name: 'latency_boundaries', value: [1000n, 50_000n] },
      ],
    };
    const own = new SchemaBook([
      { domain, items: [{ provider: 'kvm', target: 'vcpu', stats: [...stats, latency, bounds] }], errors: [] },
    ]);
    expect(
      queryText([{ domain, items: [disk], errors: [] }], { ...view, book: own })
        .split('\n')
        .slice(1, -1),
    ).toEqual([
      '  exits               1',
      '  latency             4 values, p50 [50 us, ∞), p99 [50 us, ∞)',
      `      [1 us, 50 us)  1  ${'█'.repeat(8)}`,
      `      [50 us, ∞)     3  ${'█'.repeat(24)}`,
      '  latency_boundaries  1 us, 50 us',
    ]);
  });

  it('is in human units, in the order of the schema', () => {
    expect(queryText([{ domain, items: [sample], errors: [] }], view)).toBe(
      [
        'lab-1  kvm vcpu /machine/x (qmp)',
        '  exits       18446744073709551615',
        '  waited      9.122 s',
        '  blocking    yes',
        '  memory      1.5 KiB',
        '  wait        3 values, p50 [1 ns, ∞), p99 [1 ns, ∞)',
        `      [1 ns, ∞)  3  ${'█'.repeat(24)}`,
        '  unheard_of  1, 2',
        '',
      ].join('\n'),
    );
  });

  it('shows growth of what grows, and a reset', () => {
    const growths = new Map([
      [
        sample,
        new Map<string, Growth>([
          ['exits', { delta: 5n, rate: 2.5, reset: true }],
          ['waited', { delta: 0n, rate: 0, reset: false }],
          ['wait', { delta: [0n, 2n], rate: 2, reset: false }],
        ]),
      ],
    ]);
    const text = queryText([{ domain, items: [sample], errors: [] }], { ...view, growths });
    expect(text).toMatch(/exits +18446744073709551615 +\+2.5\/s \(reset\)\n/);
    expect(text).toMatch(/waited +9.122 s +0 s\/s\n/);
    expect(text).toMatch(/memory +1.5 KiB\n/);
    expect(text).toMatch(/wait +\+2\/s: 2 values, p50 \[1 ns, ∞\)/);
    const first = queryText([{ domain, items: [sample], errors: [] }], { ...view, growths: new Map() });
    expect(first).toMatch(/exits +18446744073709551615 +-\n/);
    expect(first).toMatch(/wait +-\n/);
  });

  it('says since when and why a value is old, and keeps escape sequences out', () => {
    const stale = { ageNs: 4_200_000_000n, code: 'TIMEOUT', reason: 'no\u0007answer' };
    const text = queryText(
      [{ domain: { ...domain, name: 'a\u001b' }, items: [{ ...sample, stale, stats: [] }], errors: [] }],
      view,
    );
    expect(text).toBe('a\\x1b  kvm vcpu /machine/x (qmp)  4.2 s old: no\\x07answer\n');
  });
});

describe('the text of list', () => {
  it('shows what can be read, and below why something cannot', () => {
    const items = [
      { provider: 'kvm', target: 'vm', via: 'qmp', available: true },
      { provider: 'kvm', target: 'vcpu', via: 'kvm-file', available: false, reason: 'no file is kept' },
    ];
    expect(
      listText(
        [{ domain: { ...domain, vcpus: 2, vmm: { name: 'QEMU', version: '7.2.22' } }, items, errors: [] }],
        plainPaint,
      ),
    ).toBe(
      [
        'NAME   UUID  STATE  VCPUS  PID  VMM          SOURCE',
        'lab-1  -     -          2    -  QEMU 7.2.22  local:',
        '  kvm vm (qmp)',
        '  no kvm vcpu: no file is kept',
        '',
      ].join('\n'),
    );
    expect(listText([], plainPaint)).toBe('');
  });
});

describe('the text of schemas', () => {
  it('shows a schema once for all domains that have it', () => {
    const schema = { provider: 'kvm', target: 'vm', stats: [{ ...log2, size: 32 }] };
    const linear = { name: 'l', type: 'linear-histogram', exponent: 0, bucketSize: 4, size: 8 };
    const answers = [
      { domain, items: [schema], errors: [] },
      { domain: { ...domain, name: 'lab-2' }, items: [schema, { ...schema, stats: [linear] }], errors: [] },
    ];
    expect(schemasText(answers, plainPaint)).toBe(
      [
        'kvm vm  lab-1, lab-2',
        '  NAME  TYPE            UNIT  BUCKETS',
        '  wait  log2-histogram  ns    32',
        '',
        'kvm vm  lab-2',
        '  NAME  TYPE              UNIT  BUCKETS',
        '  l     linear-histogram        8 of 4',
        '',
      ].join('\n'),
    );
  });
});
