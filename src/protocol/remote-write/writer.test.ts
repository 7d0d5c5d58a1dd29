import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { uncompress } from 'snappyjs';
import { describe, expect, it } from 'vitest';
import { U64_MAX } from '../../model/u64.ts';
import { NANO, UNSCALED } from '../openmetrics/decimal.ts';
import type { MetricFamily, NumberPoint } from '../openmetrics/family.ts';
import { HistogramBounds } from '../openmetrics/histogram.ts';
import { LabelSet } from '../openmetrics/labels.ts';
import { type WriteRequest, WriteRequestSchema } from './remote_pb.ts';
import { RemoteWriter, STALE_NAN_BITS } from './writer.ts';

const web = new LabelSet([['domain', 'web']]);

function writer(maxSamples = 1000, labels: [string, string][] = [['instance', 'host1']]): RemoteWriter {
  return new RemoteWriter({ labels, maxSamples });
}

function gauge(points: readonly NumberPoint[], name = 'kvm_exits'): MetricFamily {
  return { name, type: 'gauge', help: 'exits', points };
}

function point(steps: bigint, atMs?: number, labels = web): NumberPoint {
  return { labels, steps, scale: UNSCALED, ...(atMs !== undefined && { collectedAtNs: BigInt(atMs) * 1_000_000n }) };
}

function decoded(bodies: Iterable<{ readonly body: Uint8Array }>): readonly WriteRequest[] {
  return [...bodies].map(({ body }) => fromBinary(WriteRequestSchema, uncompress(body)));
}

/** `name{label="value"} value @time`, as they stand in requests. */
function texts(requests: readonly WriteRequest[]): readonly string[] {
  return requests.flatMap(({ timeseries }) =>
    timeseries.map(({ labels, samples: [sample] }) => {
      const [name, ...others] = labels;
      expect(name?.name).toBe('__name__');
      return `${name?.value}{${others.map((label) => `${label.name}=${label.value}`).join()}} ${sample?.value} @${sample?.timestamp}`;
    }),
  );
}

describe('a request', () => {
  it('has one sample for each series, with labels in order and those of the host', () => {
    const labels = new LabelSet([
      ['vcpu', '0'],
      ['domain', 'web'],
      ['empty', ''],
    ]);
    const requests = decoded(writer().write([gauge([point(7n, 5000, labels), point(8n)])], 6000));
    expect(texts(requests)).toEqual([
      'kvm_exits{domain=web,instance=host1,vcpu=0} 7 @5000',
      'kvm_exits{domain=web,instance=host1} 8 @6000',
    ]);
  });

  it("has a series' own label where the host's has the same name", () => {
    const labels = new LabelSet([['instance', 'mine']]);
    expect(texts(decoded(writer().write([gauge([point(1n, 1, labels)])], 1)))).toEqual([
      'kvm_exits{instance=mine} 1 @1',
    ]);
  });

  it('describes each family once', () => {
    const write = writer();
    const counter: MetricFamily = {
      name: 'a_seconds',
      type: 'counter',
      unit: 'seconds',
      help: 'h',
      points: [point(1n, 1)],
    };
    const [first] = decoded(write.write([counter], 1));
    expect(first?.metadata).toMatchObject([
      { type: 1, metricFamilyName: 'a_seconds_total', help: 'h', unit: 'seconds' },
    ]);
    const [second] = decoded(write.write([{ ...counter, points: [point(1n, 2)] }], 2));
    expect(second?.metadata).toEqual([]);
  });

  it('carries any text and any u64, the nearest double of it', () => {
    const text = fc.string({ unit: 'binary', maxLength: 40 });
    fc.assert(
      fc.property(text, fc.bigInt({ min: 0n, max: U64_MAX }), (value, steps) => {
        const labels = new LabelSet([['le_', value]]);
        const [request] = decoded(writer(10, []).write([gauge([point(steps, 3, labels)])], 3));
        const [series] = request?.timeseries ?? [];
        expect(series?.labels[1]?.value).toBe(value === '' ? undefined : value);
        expect(series?.samples).toMatchObject([{ value: Number(steps), timestamp: 3n }]);
      }),
    );
    const half = new LabelSet([['domain', 'a"b\n\ud800']]);
    expect(texts(decoded(writer(10, []).write([gauge([point(U64_MAX, 1, half)])], 1)))).toEqual([
      'kvm_exits{domain=a"b\n\ufffd} 18446744073709552000 @1',
    ]);
  });

  it('is cut behind so many samples', () => {
    const points = Array.from({ length: 7 }, (_, index) => point(1n, 1, new LabelSet([['vcpu', String(index)]])));
    const bodies = [...writer(3).write([gauge(points)], 1)];
    expect(bodies.map(({ samples }) => samples)).toEqual([3, 3, 1]);
    expect(texts(decoded(bodies))).toHaveLength(7);
    expect([...writer(3).write([gauge([])], 1)]).toEqual([]);
  });

  it('has a histogram as series with le in its place, and its sum where there is one', () => {
    const bounds = new HistogramBounds([0n, 1n, 3n], NANO);
    const labels = new LabelSet([
      ['domain', 'web'],
      ['vcpu', '0'],
    ]);
    const family: MetricFamily = {
      name: 'wait_seconds',
      type: 'histogram',
      help: 'h',
      points: [{ labels, bounds, counts: [1n, 2n, 0n, 4n], sum: 9n, collectedAtNs: 2_000_000n }],
    };
    expect(texts(decoded(writer(100, []).write([family], 9)))).toEqual([
      'wait_seconds_bucket{domain=web,le=0.0,vcpu=0} 1 @2',
      'wait_seconds_bucket{domain=web,le=1e-09,vcpu=0} 3 @2',
      'wait_seconds_bucket{domain=web,le=3e-09,vcpu=0} 3 @2',
      'wait_seconds_bucket{domain=web,le=+Inf,vcpu=0} 7 @2',
      'wait_seconds_count{domain=web,vcpu=0} 7 @2',
      'wait_seconds_sum{domain=web,vcpu=0} 9e-9 @2',
    ]);
  });
});

describe('a histogram of the largest counts', () => {
  it('is the nearest doubles of what they add up to', () => {
    const bounds = new HistogramBounds([0n], NANO);
    const point = { labels: web, bounds, counts: [U64_MAX, U64_MAX], sum: U64_MAX, collectedAtNs: 2_000_000n };
    const family: MetricFamily = { name: 'wait_seconds', type: 'histogram', help: 'h', points: [point] };
    expect(texts(decoded(writer(100, []).write([family], 9)))).toEqual([
      `wait_seconds_bucket{domain=web,le=0.0} ${2 ** 64} @2`,
      `wait_seconds_bucket{domain=web,le=+Inf} ${2 ** 65} @2`,
      `wait_seconds_count{domain=web} ${2 ** 65} @2`,
      `wait_seconds_sum{domain=web} ${Number('18446744073.709551615')} @2`,
    ]);
  });
});

describe('a series', () => {
  it('is not sent again with a value that was not read anew: it ends then, until there is a new one', () => {
    const write = writer(100, []);
    const twice = (atMs: number, nowMs: number) => texts(decoded(write.write([gauge([point(1n, atMs)])], nowMs)));
    expect(twice(1000, 1000)).toEqual(['kvm_exits{domain=web} 1 @1000']);
    expect(twice(1000, 2000)).toEqual(['kvm_exits{domain=web} NaN @2000']);
    expect(twice(1000, 3000)).toEqual([]);
    expect(twice(4000, 4000)).toEqual(['kvm_exits{domain=web} 1 @4000']);
    expect(twice(4000, 5000)).toEqual(['kvm_exits{domain=web} NaN @5000']);
  });

  it('ends with the NaN that says so, once', () => {
    const write = writer(100, []);
    expect([...write.write([gauge([point(1n, 1000)])], 1000)]).toHaveLength(1);
    const [body, ...more] = [...write.write([], 2000)];
    expect(more).toEqual([]);
    const bytes = Buffer.from(uncompress(body?.body ?? new Uint8Array()));
    const nan = Buffer.alloc(8);
    nan.writeBigUInt64LE(STALE_NAN_BITS);
    expect(bytes.includes(nan)).toBe(true);
    expect([...write.write([], 3000)]).toEqual([]);
  });

  it('ends as all series of a histogram', () => {
    const write = writer(100, []);
    const bounds = new HistogramBounds([0n], UNSCALED);
    const points = [{ labels: web, bounds, counts: [1n, 2n], collectedAtNs: 1_000_000n }];
    expect([...write.write([{ name: 'h', type: 'histogram', help: '', points }], 1)]).toHaveLength(1);
    expect(texts(decoded(write.write([], 2)))).toEqual([
      'h_bucket{domain=web,le=0.0} NaN @2',
      'h_bucket{domain=web,le=+Inf} NaN @2',
      'h_count{domain=web} NaN @2',
    ]);
  });

  it('goes on when the clock was set back, and does not end before its last sample', () => {
    const write = writer(100, []);
    expect([...write.write([gauge([point(1n, 5000)])], 5000)]).toHaveLength(1);
    expect(texts(decoded(write.write([gauge([point(2n, 3000)])], 3000)))).toEqual(['kvm_exits{domain=web} 2 @3000']);
    expect([...write.write([], 2000)]).toEqual([]);
  });
});
