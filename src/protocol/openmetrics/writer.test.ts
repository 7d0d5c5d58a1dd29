import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { U64_MAX } from '../../model/u64.ts';
import { UNSCALED } from './decimal.ts';
import type { MetricFamily } from './family.ts';
import { negotiate } from './format.ts';
import { histogramBounds } from './histogram.ts';
import { escapeLabelValue, LabelSet, NO_LABELS } from './labels.ts';
import { writeExposition } from './writer.ts';

const NANO = { multiplier: 1n, exponent: -9 };
const web = new LabelSet([['domain', 'web']]);

function counter(points: readonly (readonly [LabelSet, bigint])[]): MetricFamily {
  return {
    name: 'kvm_vcpu_halt_wait_seconds',
    type: 'counter',
    unit: 'seconds',
    help: 'How "long"',
    points: points.map(([labels, steps]) => ({ labels, steps, scale: NANO })),
  };
}

function log2(counts: readonly bigint[], sum?: bigint): MetricFamily {
  const bounds = histogramBounds({ type: 'log2-histogram' }, counts.length, NANO);
  if (bounds === undefined) throw new Error('no bounds');
  return {
    name: 'halt_hist_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'h',
    points: [{ labels: web, bounds, counts, ...(sum !== undefined && { sum }) }],
  };
}

const text = (families: readonly MetricFamily[], format: 'openmetrics' | 'prometheus'): string =>
  [...writeExposition(families, format)].join('');

describe('writeExposition', () => {
  it('writes OpenMetrics', () => {
    expect(text([counter([[web, U64_MAX]])], 'openmetrics')).toBe(
      [
        '# HELP kvm_vcpu_halt_wait_seconds How \\"long\\"',
        '# TYPE kvm_vcpu_halt_wait_seconds counter',
        '# UNIT kvm_vcpu_halt_wait_seconds seconds',
        'kvm_vcpu_halt_wait_seconds_total{domain="web"} 18446744073.709551615',
        '# EOF',
        '',
      ].join('\n'),
    );
  });

  it('writes the format of Prometheus', () => {
    expect(text([counter([[NO_LABELS, 5n]])], 'prometheus')).toBe(
      [
        '# HELP kvm_vcpu_halt_wait_seconds_total How "long"',
        '# TYPE kvm_vcpu_halt_wait_seconds_total counter',
        'kvm_vcpu_halt_wait_seconds_total 0.000000005',
        '',
      ].join('\n'),
    );
  });

  it('adds the buckets of a histogram up, each with the largest value that falls into it', () => {
    expect(text([log2([1n, 2n, 0n, 4n, U64_MAX], 12n)], 'openmetrics')).toBe(
      [
        '# HELP halt_hist_seconds h',
        '# TYPE halt_hist_seconds histogram',
        '# UNIT halt_hist_seconds seconds',
        'halt_hist_seconds_bucket{domain="web",le="0.0"} 1',
        'halt_hist_seconds_bucket{domain="web",le="1e-09"} 3',
        'halt_hist_seconds_bucket{domain="web",le="3e-09"} 3',
        'halt_hist_seconds_bucket{domain="web",le="7e-09"} 7',
        // More than 2^64 is still exact.
        'halt_hist_seconds_bucket{domain="web",le="+Inf"} 18446744073709551622',
        'halt_hist_seconds_count{domain="web"} 18446744073709551622',
        'halt_hist_seconds_sum{domain="web"} 0.000000012',
        '# EOF',
        '',
      ].join('\n'),
    );
  });

  it('leaves the count to the last bucket where OpenMetrics allows none without a sum', () => {
    expect(text([log2([1n, 2n])], 'openmetrics')).not.toMatch(/_count|_sum/);
    expect(text([log2([1n, 2n])], 'prometheus')).toContain('halt_hist_seconds_count{domain="web"} 3\n');
  });

  it('tells bounds that no double tells apart once, and none below zero', () => {
    const bounds = histogramBounds({ type: 'histogram' }, 4, UNSCALED, [0n, U64_MAX - 1n, U64_MAX]);
    if (bounds === undefined) throw new Error('no bounds');
    const family: MetricFamily = {
      name: 'x',
      type: 'histogram',
      help: '',
      points: [{ labels: NO_LABELS, bounds, counts: [0n, 1n, 2n, 3n] }],
    };
    expect(text([family], 'openmetrics').match(/^x.*$/gm)).toEqual([
      'x_bucket{le="1.8446744073709552e+19"} 3',
      'x_bucket{le="+Inf"} 6',
    ]);
  });

  it('has names for what has no values and what says all in its labels', () => {
    const info: MetricFamily = {
      name: 'virtstat_domain',
      type: 'info',
      help: 'h',
      points: [{ labels: web, steps: 1n, scale: UNSCALED }],
    };
    const unknown: MetricFamily = { name: 'odd', type: 'unknown', help: 'h', points: [] };
    expect(text([info, unknown], 'openmetrics')).toContain('# TYPE virtstat_domain info\nvirtstat_domain_info{');
    expect(text([info, unknown], 'prometheus')).toContain('# TYPE virtstat_domain_info gauge\nvirtstat_domain_info{');
    expect(text([unknown], 'prometheus')).toContain('# TYPE odd untyped\n');
  });

  it('gives pieces of one size, made when they are asked for', () => {
    let made = 0;
    const points = (function* () {
      for (; made < 10_000; made++) yield { labels: web, steps: BigInt(made), scale: UNSCALED };
    })();
    const pieces = writeExposition([{ name: 'x', type: 'gauge', help: '', points }], 'openmetrics');
    const first = pieces.next().value ?? '';
    expect(first.length).toBeGreaterThan(16_000);
    expect(first.length).toBeLessThan(17_000);
    expect(made).toBeLessThan(2000);
    expect([first, ...pieces].join('').match(/^x/gm)?.length).toBe(10_000);
  });
});

describe('escapeLabelValue', () => {
  it('keeps a value on its line and between its marks', () => {
    expect(escapeLabelValue('a"b\\c\nd')).toBe('a\\"b\\\\c\\nd');
    expect(escapeLabelValue('\ud800x\u0000\r')).toBe('\ufffdx\ufffd\ufffd');
  });

  it('makes one line of any text, from which the text can be read back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const escaped = escapeLabelValue(value);
        expect(escaped).toMatch(/^(\\["\\n]|[^"\\\n])*$/u);
        const read = escaped.replaceAll(/\\(.)/g, (_, mark) => (mark === 'n' ? '\n' : mark));
        expect(read).toBe(value.toWellFormed().replaceAll(/[\u0000-\u0009\u000b-\u001f\u007f]/g, '\ufffd'));
      }),
    );
  });
});

describe('negotiate', () => {
  const PROMETHEUS_2_42 =
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

  it.each([
    [undefined, 'prometheus'],
    ['', 'prometheus'],
    ['*/*', 'prometheus'],
    ['text/html', 'prometheus'],
    ['application/openmetrics-text', 'openmetrics'],
    [PROMETHEUS_2_42, 'openmetrics'],
    ['text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.8', 'prometheus'],
    ['application/openmetrics-text; version=2.0.0, text/plain;q=0.1', 'prometheus'],
    ['application/openmetrics-text;q=0', 'prometheus'],
    ['application/openmetrics-text;q=x', 'prometheus'],
    [`${'text/html,'.repeat(1000)}application/openmetrics-text`, 'prometheus'],
  ])('gives for %s the format %s', (accept, format) => {
    expect(negotiate(accept)).toBe(format);
  });
});
