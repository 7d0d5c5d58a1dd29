import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Sample, StatValue } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { U64_MAX } from '../../model/u64.ts';
import { explicitBounds, exponentialBuckets, type HistogramForm } from './histograms.ts';
import { ExportMetricsServiceRequestSchema } from './metrics_pb.ts';
import { metricName } from './names.ts';
import { otlpUnitOf } from './units.ts';
import { MAX_INT, OtlpObject, OtlpWriter } from './writer.ts';

const NS = { unit: 'seconds', base: 10, exponent: -9 } as const;
const AT_NS = 1_700_000_000_123_456_789n;
const object = new OtlpObject([['virtstat.domain.name', 'a"b\n\ud800']], 5n);

/** The one metric that a value of one stat becomes. */
function sent(stat: StatDescriptor, value: StatValue, histograms: HistogramForm = 'explicit', sum?: StatValue) {
  const writer = new OtlpWriter({ resource: [['host.name', 'h']], version: '1', histograms });
  const stats = [{ name: stat.name, value }, ...(sum === undefined ? [] : [{ name: 'sum', value: sum }])];
  const sample: Sample = { domain: 'd', provider: 'kvm', target: 'vcpu', via: 'kvm-file', collectedAtNs: AT_NS, stats };
  const sums = sum === undefined ? new Map() : new Map([[stat.name, 'sum']]);
  writer.add(sample, { descriptors: new Map([[stat.name, stat]]), sums }, object);
  const { resourceMetrics } = fromBinary(ExportMetricsServiceRequestSchema, writer.take());
  expect(writer.points).toBe(0);
  return resourceMetrics[0]?.scopeMetrics[0]?.metrics[0];
}

describe('a value', () => {
  it('is a sum that only grows where it is cumulative, with the time when it was 0', () => {
    const metric = sent({ name: 'halt_wait_ns', type: 'cumulative', ...NS }, 7n);
    expect(metric).toMatchObject({ name: 'virtstat.kvm.vcpu.halt_wait', unit: 'ns' });
    expect(metric?.data).toMatchObject({ case: 'sum', value: { isMonotonic: true, aggregationTemporality: 2 } });
    expect(metric?.data.value?.dataPoints[0]).toMatchObject({
      startTimeUnixNano: 5n,
      timeUnixNano: AT_NS,
      value: { case: 'asInt', value: 7n },
      attributes: [{ key: 'virtstat.domain.name', value: { value: { value: 'a"b\n\ufffd' } } }],
    });
  });

  it('is a gauge otherwise; yes is 1', () => {
    const metric = sent({ name: 'guest_mode', type: 'instant', unit: 'boolean', exponent: 0 }, true);
    expect(metric?.data).toMatchObject({ case: 'gauge', value: { dataPoints: [{ value: { value: 1n } }] } });
  });

  it('is exact up to 2^63-1, and the nearest double above', () => {
    const stat: StatDescriptor = { name: 'a', type: 'cumulative', exponent: 0 };
    const pointOf = (value: bigint) => sent(stat, value)?.data.value?.dataPoints[0];
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: MAX_INT }), (value) => {
        expect(pointOf(value)).toMatchObject({ value: { case: 'asInt', value } });
      }),
    );
    expect(pointOf(MAX_INT + 1n)).toMatchObject({ value: { case: 'asDouble', value: 2 ** 63 } });
    expect(pointOf(U64_MAX)).toMatchObject({ value: { case: 'asDouble', value: 2 ** 64 } });
  });

  it('is left out where it is several numbers and no histogram', () => {
    expect(sent({ name: 'a_boundaries', type: 'instant', exponent: 0 }, [1n])).toBeUndefined();
  });
});

describe('a log2 histogram', () => {
  const stat: StatDescriptor = { name: 'halt_wait_hist', type: 'log2-histogram', ...NS };

  it('has explicit bounds between which each integer stands that the kernel counts there', () => {
    const bounds = explicitBounds(stat, 32) ?? [];
    expect(bounds).toHaveLength(31);
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 40n }), (value) => {
        const kernel = Math.min(31, value.toString(2).length - (value === 0n ? 1 : 0));
        const found = bounds.findIndex((bound) => value <= BigInt(bound));
        expect(found < 0 ? 31 : found).toBe(kernel);
      }),
    );
  });

  it('differs from an exponential one by powers of two, and by what is above its last bucket, only', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 40 }), (value) => {
        const kernel = value.toString(2).length;
        const otlp = Math.ceil(Math.log2(value)) - 1;
        expect(otlp === kernel - 1).toBe(!Number.isInteger(Math.log2(value)));
      }),
    );
    expect(exponentialBuckets([3n, 0n, 0n, 4n, 0n, 5n, 0n])).toEqual({
      zeroCount: 3n,
      offset: 2,
      counts: [4n, 0n, 5n],
    });
    expect(exponentialBuckets([3n, 0n])).toEqual({ zeroCount: 3n, offset: 0, counts: [] });
  });

  it('is sent in the form that is wanted, with exact counts', () => {
    const counts = [1n, 0n, 2n ** 63n, 4n];
    expect(sent(stat, counts)?.data).toMatchObject({
      case: 'histogram',
      value: { dataPoints: [{ count: 2n ** 63n + 5n, bucketCounts: counts, explicitBounds: [0, 1, 3] }] },
    });
    expect(sent(stat, counts, 'exponential')?.data).toMatchObject({
      case: 'exponentialHistogram',
      value: {
        dataPoints: [{ scale: 0, zeroCount: 1n, positive: { offset: 1, bucketCounts: [2n ** 63n, 4n] } }],
      },
    });
    expect(sent(stat, [U64_MAX, 1n])).toBeUndefined();
  });

  it.each(['explicit', 'exponential'] as const)('has the sum that its schema knows, %s', (form) => {
    const sumOf = (counts: readonly bigint[], sum?: StatValue) => {
      const data = sent(stat, counts, form, sum)?.data;
      return data?.case === 'histogram' || data?.case === 'exponentialHistogram'
        ? data.value.dataPoints[0]?.sum
        : 'none';
    };
    expect(sumOf([0n, 2n, 1n], 5n)).toBe(5);
    expect(sumOf([0n, 2n, 1n], U64_MAX)).toBe(2 ** 64);
    expect(sumOf([0n, 0n, 0n], 5n)).toBe(0);
    expect(sumOf([0n, 2n, 1n])).toBeUndefined();
    expect(sumOf([0n, 2n, 1n], [5n])).toBeUndefined();
  });

  it('has bounds that ascend, also where no double is exact', () => {
    const bounds = explicitBounds(stat, 70) ?? [];
    expect(bounds).toHaveLength(69);
    expect(bounds.every((bound, index) => index === 0 || bound > (bounds[index - 1] ?? 0))).toBe(true);
    for (const [index, bound] of bounds.entries()) expect(BigInt(bound)).toBeLessThan(1n << BigInt(index));
  });
});

describe('other histograms', () => {
  it('have the largest integer of each bucket as its bound', () => {
    expect(explicitBounds({ type: 'linear-histogram', bucketSize: 10 }, 4)).toEqual([9, 19, 29]);
    expect(explicitBounds({ type: 'histogram' }, 3, [10n, 50n])).toEqual([9, 49]);
    expect(explicitBounds({ type: 'histogram' }, 3)).toBeUndefined();
  });
});

describe('names and units', () => {
  it('say the unit once', () => {
    const named = (name: string, scale: Partial<StatDescriptor>) => {
      const stat = { name, type: 'cumulative', exponent: 0, ...scale };
      return [metricName('process', 'vm', stat), otlpUnitOf(stat)];
    };
    expect(named('rd_bytes', { unit: 'bytes' })).toEqual(['virtstat.process.vm.rd', { unit: 'By', factor: 1 }]);
    expect(named('_ns', NS)).toEqual(['virtstat.process.vm._ns', { unit: 'ns', factor: 1 }]);
    expect(named('stat-a b', { unit: 'bytes', base: 2, exponent: 10 })).toEqual([
      'virtstat.process.vm.stat_a_b',
      { unit: 'KiBy', factor: 1 },
    ]);
    expect(named('tsc', { unit: 'cycles' })[1]).toEqual({ unit: '{cycle}', factor: 1 });
    expect(named('odd', { unit: 'seconds', base: 2, exponent: -3 })[1]).toEqual({ unit: 's', factor: 0.125 });
    expect(named('n', {})[1]).toEqual({ unit: '', factor: 1 });
  });
});
