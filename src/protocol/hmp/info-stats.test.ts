import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Sample, StatValue } from '../../model/sample.ts';
import type { Schema, StatDescriptor } from '../../model/stat.ts';
import { formatInfoStats } from './info-stats.ts';
import { MAX_LIST_LENGTH, MAX_TEXT_LENGTH, parseInfoStats } from './info-stats-parse.ts';

const U64_MAX = 2n ** 64n - 1n;

function sampleOf(entries: Record<string, StatValue>, more: Partial<Sample> = {}): Sample {
  const stats = Object.entries(entries).map(([name, value]) => ({ name, value }));
  return { domain: 'd', provider: 'kvm', target: 'vm', via: 'test', collectedAtNs: 0n, stats, ...more };
}

function schemaOf(stats: readonly StatDescriptor[], provider = 'kvm', target = 'vm'): Schema {
  return { provider, target, stats };
}

/** The text for one stat named x. */
function lineOf(stat: Omit<StatDescriptor, 'name'>, value: StatValue): string {
  return formatInfoStats([sampleOf({ x: value })], [schemaOf([{ name: 'x', ...stat }])], { providerAsked: true });
}

describe('the text of one stat', () => {
  const rows: readonly (readonly [scale: Omit<StatDescriptor, 'name' | 'type'>, type: string, details: string])[] = [
    [{ exponent: 0 }, 'cumulative', '(cumulative)'],
    [{ unit: 'bytes', exponent: 0 }, 'cumulative', '(cumulative, B)'],
    [{ unit: 'bytes', base: 2, exponent: 10 }, 'cumulative', '(cumulative, KiB)'],
    [{ unit: 'bytes', base: 2, exponent: 20 }, 'cumulative', '(cumulative, MiB)'],
    [{ unit: 'bytes', base: 2, exponent: 60 }, 'cumulative', '(cumulative, EiB)'],
    [{ unit: 'bytes', base: 10, exponent: 3 }, 'cumulative', '(cumulative, KB)'],
    [{ unit: 'bytes', base: 10, exponent: 6 }, 'cumulative', '(cumulative, MB)'],
    [{ unit: 'bytes', base: 2, exponent: 70 }, 'cumulative', '(cumulative, * 2^70 bytes)'],
    [{ unit: 'bytes', base: 2, exponent: 12 }, 'cumulative', '(cumulative, * 2^12 bytes)'],
    [{ unit: 'bytes', base: 2, exponent: -10 }, 'cumulative', '(cumulative, * 2^-10 bytes)'],
    [{ unit: 'seconds', exponent: 0 }, 'cumulative', '(cumulative, s)'],
    [{ unit: 'seconds', base: 10, exponent: -3 }, 'cumulative', '(cumulative, ms)'],
    [{ unit: 'seconds', base: 10, exponent: -6 }, 'cumulative', '(cumulative, us)'],
    [{ unit: 'seconds', base: 10, exponent: -9 }, 'cumulative', '(cumulative, ns)'],
    [{ unit: 'seconds', base: 10, exponent: -12 }, 'cumulative', '(cumulative, ps)'],
    [{ unit: 'seconds', base: 10, exponent: -18 }, 'cumulative', '(cumulative, as)'],
    [{ unit: 'seconds', base: 10, exponent: 18 }, 'cumulative', '(cumulative, Es)'],
    [{ unit: 'seconds', base: 10, exponent: 21 }, 'cumulative', '(cumulative, * 10^21 seconds)'],
    [{ unit: 'seconds', base: 10, exponent: -21 }, 'cumulative', '(cumulative, * 10^-21 seconds)'],
    [{ unit: 'seconds', base: 10, exponent: -8 }, 'cumulative', '(cumulative, * 10^-8 seconds)'],
    [{ unit: 'seconds', base: 2, exponent: 10 }, 'cumulative', '(cumulative, Kis)'],
    [{ unit: 'cycles', exponent: 0 }, 'cumulative', '(cumulative, cycles)'],
    [{ unit: 'cycles', base: 10, exponent: 3 }, 'cumulative', '(cumulative, * 10^3 cycles)'],
    [{ unit: 'cycles', base: 2, exponent: 10 }, 'cumulative', '(cumulative, * 2^10 cycles)'],
    [{ base: 10, exponent: 3 }, 'peak', '(peak, * 10^3)'],
    [{ base: 2, exponent: 10 }, 'peak', '(peak, * 2^10)'],
    [{ unit: 'watts', exponent: 0 }, 'average', '(average, watts)'],
    [{ unit: 'bytes', exponent: 0, bucketSize: 10 }, 'linear-histogram', '(linear-histogram, B, bucket size=10)'],
    [
      { unit: 'bytes', base: 2, exponent: 10, bucketSize: 4096 },
      'linear-histogram',
      '(linear-histogram, KiB, bucket size=4096)',
    ],
    [{ exponent: 0, bucketSize: 1 }, 'linear-histogram', '(linear-histogram, bucket size=1)'],
    [{ exponent: 0, bucketSize: 0 }, 'linear-histogram', '(linear-histogram, bucket size=0)'],
    [{ exponent: 0, bucketSize: 0xffff_ffff }, 'linear-histogram', '(linear-histogram, bucket size=-1)'],
  ];

  it.each(rows)('%j %s is %s', (scale, type, details) => {
    expect(lineOf({ type, ...scale }, 7n)).toBe(`    x ${details}: 7\n`);
  });

  it.each(rows)('%j %s reads back from %s', (scale, type, details) => {
    const [result] = parseInfoStats(`    x ${details}: 7\n`, { target: 'vm', provider: 'kvm' });
    expect(result?.schema.stats).toEqual([{ name: 'x', type, ...scale, size: 1 }]);
  });

  it('prints numbers as signed', () => {
    expect(lineOf({ type: 'cumulative', exponent: 0 }, U64_MAX)).toBe('    x (cumulative): -1\n');
    expect(lineOf({ type: 'cumulative', exponent: 0 }, 2n ** 63n)).toBe('    x (cumulative): -9223372036854775808\n');
    expect(lineOf({ type: 'cumulative', exponent: 0 }, 2n ** 63n - 1n)).toBe(
      '    x (cumulative): 9223372036854775807\n',
    );
  });

  it('turns buckets around, counts them from one and leaves a blank at the end', () => {
    expect(lineOf({ type: 'linear-histogram', unit: 'bytes', exponent: 0, bucketSize: 10 }, [1n, 2n, 3n, 4n])).toBe(
      '    x (linear-histogram, B, bucket size=10): [1]=4 [2]=3 [3]=2 [4]=1 \n',
    );
    expect(lineOf({ type: 'cumulative', exponent: 0 }, [])).toBe('    x (cumulative): \n');
    expect(lineOf({ type: 'log2-histogram', exponent: 0 }, [5n])).toBe('    x (log2-histogram): 5\n');
  });

  it('shows a boolean by its first element', () => {
    const boolean = { type: 'instant', unit: 'boolean', exponent: 0 };
    expect(lineOf(boolean, true)).toBe('    x (instant, boolean): yes\n');
    expect(lineOf(boolean, 2n)).toBe('    x (instant, boolean): yes\n');
    expect(lineOf(boolean, [0n, 1n])).toBe('    x (instant, boolean): no\n');
    expect(lineOf(boolean, [7n, 0n])).toBe('    x (instant, boolean): yes\n');
    expect(lineOf({ ...boolean, base: 10, exponent: 3 }, false)).toBe('    x (instant, * 10^3 boolean): no\n');
  });
});

describe('the text of results', () => {
  const plain = (name: string): StatDescriptor => ({ name, type: 'cumulative', exponent: 0 });

  it('reverses stats and results, and names providers where none was asked', () => {
    const samples = [sampleOf({ a: 1n, b: 2n }), sampleOf({ c: 3n }, { provider: 'balloon' })];
    const schemas = [schemaOf([plain('a'), plain('b')]), schemaOf([plain('c')], 'balloon')];
    expect(formatInfoStats(samples, schemas, { providerAsked: false, lineEnd: '\r\n' })).toBe(
      'provider: balloon\r\n    c (cumulative): 3\r\nprovider: kvm\r\n    b (cumulative): 2\r\n    a (cumulative): 1\r\n',
    );
  });

  it('leaves out what QEMU would not report', () => {
    const schema = schemaOf([
      { name: 'a', type: 'unknown-9', exponent: 0 },
      { name: 'b', type: 'peak', unit: 'unknown-7', exponent: 0 },
      { name: 'c', type: 'peak', base: 'unknown-3', exponent: 0 },
      plain('d'),
    ]);
    const all = sampleOf({ a: 1n, b: 1n, c: 1n, d: 4n });
    expect(formatInfoStats([all], [schema], { providerAsked: false })).toBe('provider: kvm\n    d (cumulative): 4\n');
    expect(formatInfoStats([sampleOf({ a: 1n })], [schema], { providerAsked: false })).toBe('');
    expect(formatInfoStats([], [schema], { providerAsked: false })).toBe('');
  });

  it('keeps the line of a provider that had nothing to say', () => {
    expect(formatInfoStats([sampleOf({})], [schemaOf([])], { providerAsked: false })).toBe('provider: kvm\n');
  });

  it('says which schema is missing, and stops that result', () => {
    const text = formatInfoStats([sampleOf({ a: 1n, nope: 1n, b: 1n })], [schemaOf([plain('a'), plain('b')])], {
      providerAsked: false,
    });
    expect(text).toBe('provider: kvm\n    b (cumulative): 1\nfailed to find schema entry for nope\n');
    expect(formatInfoStats([sampleOf({ a: 1n })], [], { providerAsked: false })).toBe(
      'failed to find schema list for kvm\n',
    );
  });

  it('walks the schema forwards only', () => {
    const text = formatInfoStats([sampleOf({ b: 1n, a: 2n })], [schemaOf([plain('a'), plain('b')])], {
      providerAsked: true,
    });
    expect(text).toBe('    a (cumulative): 2\nfailed to find schema entry for b\n');
  });
});

describe('texts of a real QEMU 7.2', () => {
  it.each(['vm', 'vcpu'])('info stats %s reads and prints again byte for byte', (target) => {
    const url = new URL(`../../../test/fixtures/hmp/qemu72-hmp-${target}.txt`, import.meta.url);
    const text = readFileSync(url, 'utf8');
    const lf = text.replaceAll('\r\n', '\n');
    const results = parseInfoStats(text, { target });
    const samples = results.map(({ stats }) => sampleOf({}, { target, stats }));
    const schemas = results.map(({ schema }) => schema);
    expect(results.map(({ schema }) => [schema.provider, schema.target])).toEqual([['kvm', target]]);
    expect(formatInfoStats(samples, schemas, { providerAsked: false, lineEnd: '\r\n' })).toBe(text);
    expect(formatInfoStats(samples, schemas, { providerAsked: false })).toBe(lf);
    expect(parseInfoStats(lf, { target })).toEqual(results);
  });
});

describe('parsing', () => {
  it.each([
    ['no provider is known', '    x (cumulative): 1\n', { target: 'vm' }],
    ['a diagnostic', 'invalid stats target foo\n', { target: 'foo', provider: 'kvm' }],
    ['an empty line', 'provider: kvm\n\n', { target: 'vm' }],
    ['a value is a word', 'provider: kvm\n    x (cumulative): maybe\n', { target: 'vm' }],
    ['a value has more than 64 bits', 'provider: kvm\n    x (cumulative): 9223372036854775808\n', { target: 'vm' }],
    ['buckets are out of turn', 'provider: kvm\n    x (log2-histogram): [2]=1 \n', { target: 'vm' }],
    ['a list ends early', 'provider: kvm\n    x (log2-histogram): [1]=1 [2\n', { target: 'vm' }],
    ['the type is missing', 'provider: kvm\n    x (): 1\n', { target: 'vm' }],
  ])('refuses a text in which %s', (_what, text, asked) => {
    expect(() => parseInfoStats(text, asked)).toThrow(expect.objectContaining({ code: 'HMP_TEXT_INVALID' }));
  });

  it('takes an empty text for no result', () => {
    expect(parseInfoStats('', { target: 'vm' })).toEqual([]);
  });

  it('bounds the list of one stat from both sides', () => {
    const text = (length: number): string =>
      `provider: kvm\n    x (log2-histogram): ${Array.from({ length }, (_, index) => `[${index + 1}]=0 `).join('')}\n`;
    const [result] = parseInfoStats(text(MAX_LIST_LENGTH), { target: 'vm' });
    expect(result?.stats[0]?.value).toHaveLength(MAX_LIST_LENGTH);
    expect(() => parseInfoStats(text(MAX_LIST_LENGTH + 1), { target: 'vm' })).toThrow(/value/);
  });

  it('bounds the text from both sides', () => {
    const line = '    x (cumulative): 1\n';
    const name = 'n'.repeat(MAX_TEXT_LENGTH - line.length + 1);
    const text = line.replace('x', name);
    expect(text).toHaveLength(MAX_TEXT_LENGTH);
    expect(parseInfoStats(text, { target: 'vm', provider: 'kvm' })[0]?.stats[0]?.name).toHaveLength(name.length);
    expect(() => parseInfoStats(`${text} `, { target: 'vm', provider: 'kvm' })).toThrow(/at most/);
  });
});

describe('any stats', () => {
  const name = fc.string({ minLength: 1, maxLength: 47, unit: fc.constantFrom(...'abz_09 ():,.=[]*é') });
  const scale = fc.oneof(
    fc.record({ exponent: fc.constant(0) }),
    fc.record({
      base: fc.constantFrom(2, 10),
      exponent: fc.integer({ min: -32768, max: 32767 }).filter((exponent) => exponent !== 0),
    }),
    fc.record({ base: fc.constantFrom(2, 10), exponent: fc.constantFrom(-18, -9, -3, 3, 10, 20, 30, 60) }),
  );
  const u64 = fc.bigInt({ min: 0n, max: U64_MAX });
  const scalar = fc.record({ type: fc.constantFrom('cumulative', 'instant', 'peak', 'later'), value: u64 });
  const list = fc.array(u64, { maxLength: 40 }).filter((values) => values.length !== 1);
  const histogram = fc.oneof(
    fc.record({ type: fc.constant('log2-histogram'), value: list }),
    fc.record({
      type: fc.constant('linear-histogram'),
      value: list,
      bucketSize: fc.integer({ min: 0, max: 0xffff_ffff }),
    }),
  );
  const unit = fc.constantFrom(undefined, 'bytes', 'seconds', 'cycles', 'watts');
  const stat = fc.tuple(name, scale, fc.oneof(scalar, histogram), unit).map(([name, scale, kind, unit]) => {
    const { value, ...type } = kind;
    const size = typeof value === 'object' ? value.length : 1;
    return {
      descriptor: { name, ...type, ...(unit && { unit }), ...scale, size } as StatDescriptor,
      value: value as StatValue,
    };
  });
  const flag = fc.tuple(name, fc.boolean()).map(([name, value]) => ({
    descriptor: { name, type: 'instant', unit: 'boolean', exponent: 0, size: 1 } as StatDescriptor,
    value: value as StatValue,
  }));
  const result = fc.array(fc.oneof(stat, flag), { minLength: 1, maxLength: 8 });

  it('read back as they were printed', () => {
    fc.assert(
      fc.property(result, result, fc.constantFrom('\n' as const, '\r\n' as const), (first, second, lineEnd) => {
        const made = [first, second].map((stats, index) => ({
          schema: schemaOf(
            stats.map(({ descriptor }) => descriptor),
            `p${index}`,
          ),
          stats: stats.map(({ descriptor, value }) => ({ name: descriptor.name, value })),
        }));
        const samples = made.map(({ schema, stats }) => sampleOf({}, { provider: schema.provider, stats }));
        const text = formatInfoStats(
          samples,
          made.map(({ schema }) => schema),
          { providerAsked: false, lineEnd },
        );
        expect(parseInfoStats(text, { target: 'vm' })).toEqual(made);
      }),
    );
  });

  it('any text is either read or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        try {
          parseInfoStats(text, { target: 'vm', provider: 'kvm' });
        } catch (error) {
          expect(error).toMatchObject({ code: 'HMP_TEXT_INVALID' });
        }
      }),
    );
  });
});
