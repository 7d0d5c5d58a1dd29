import fc from 'fast-check';
import { decodeRange } from '../../src/history/prometheus/range.ts';
import { attempt, type FuzzTarget, must, outcomeOf } from '../target.ts';
import { anyText, utf8 } from '../texts.ts';

const STATUSES = [200, 400, 422, 503] as const;

function check(input: Uint8Array): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(input);
  return outcomeOf(
    STATUSES.map((status) => {
      const outcome = attempt(() => decodeRange(status, text, 'host'), ['USAGE', 'HTTP_FAILED', 'JSON_INVALID']);
      if ('code' in outcome) return `${status} ${outcome.code}`;
      must(status === 200, 'takes an answer that is none');
      const points = outcome.value.flatMap((series) => series.points);
      for (const { atMs, value } of points) {
        must(!Number.isNaN(new Date(atMs).getTime()), 'a time has no date');
        must(Number.isFinite(value), 'a value is no number');
      }
      for (const { labels } of outcome.value) {
        must(
          Object.values(labels).every((label) => typeof label === 'string'),
          'a label is no text',
        );
      }
      return `${Math.min(outcome.value.length, 3)} series, ${points.length === 0 ? 'no' : 'some'} points`;
    }),
  );
}

const text = anyText(6);
const pair = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.double(), fc.oneof(fc.double().map(String), fc.constantFrom('NaN', '+Inf', ''))),
  },
  fc.constantFrom(null, [], [1], ['1', '1'], [1, 1], {}, [1e308, '1']),
);
const series = fc.record({
  metric: fc.oneof(
    fc.dictionary(text, fc.oneof(text, fc.constantFrom(null, 1, {}, { toString: 1, valueOf: 1 }))),
    fc.constantFrom(null, 'x', []),
  ),
  values: fc.oneof({ weight: 4, arbitrary: fc.array(pair, { maxLength: 4 }) }, fc.constantFrom(null, 'x', {})),
});
const answer = fc.oneof(
  { weight: 4, arbitrary: fc.array(series, { maxLength: 3 }).map((result) => ({ resultType: 'matrix', result })) },
  fc.constantFrom(null, {}, { resultType: 'vector', result: [] }, { resultType: 'matrix', result: {} }),
);
const whole = fc.oneof(
  { weight: 4, arbitrary: answer.map((data) => ({ status: 'success', data })) },
  fc.oneof(text, fc.constantFrom(null, { toString: 1, valueOf: 1 })).map((error) => ({ status: 'error', error })),
  fc.jsonValue(),
);

/** What a server with Prometheus's HTTP API answers to a query over time. */
export const prometheusRange: FuzzTarget = {
  name: 'prometheus-range',
  words: [
    ...['{', '}', '[', ']', ',', ':', '"', 'null', '1e999', '"NaN"', '[1,"1"]', '"data":', '"values":', '"metric":{}'],
    ...['"status":"error"', '"result":', '"resultType":"matrix"', '"error":"a\\nb"', '\\u000a', '"__proto__":'],
  ],
  inputs: whole.map((value) => utf8(JSON.stringify(value) ?? '')),
  check,
};
