import fc from 'fast-check';
import { mergeInfos } from '../../src/history/info-builder.ts';
import { livesOf } from '../../src/history/lives.ts';
import { decodeInfo, encodeInfo, LAST_NS, type SegmentInfo } from '../../src/history/segment-info.ts';
import { columnsFor, selectObjects, seriesOf } from '../../src/history/time-series.ts';
import { attempt, type FuzzTarget, must, mustEqual, outcomeOf } from '../target.ts';
import { anyText, utf8 } from '../texts.ts';

/** What readers make of a recording whose only segment says this of itself. */
function readAll(info: SegmentInfo): void {
  const file = { path: '/r.parquet', name: 'r.parquet', sizeBytes: 1, modifiedNs: 1n };
  const segments = [{ file, info, rowCount: 1, rowGroupCount: 1 }];
  const lives = livesOf(segments);
  const selected = selectObjects(lives, {});
  columnsFor(segments, selected);
  for (const { domain, stat } of selected.flatMap(seriesOf)) {
    must(typeof domain.name === 'string' && typeof stat.name === 'string', 'a series has no name');
  }
  const ids = lives.flatMap(({ ids: each }) => [...each]);
  must(new Set(ids).size === ids.length, 'two domains have the same id');
}

function check(input: Uint8Array): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(input);
  const outcome = attempt(() => decodeInfo(text), ['RECORDING_INVALID']);
  if ('code' in outcome) return `${outcome.code} ${text.length > 0 ? (text[0] as string) : ''}`;
  const { value } = outcome;
  for (const { startNs, endNs } of [value, ...value.domains]) {
    must(startNs >= 0n && startNs <= LAST_NS && endNs >= 0n && endNs <= LAST_NS, 'a time is out of range');
  }
  mustEqual(decodeInfo(encodeInfo(value)), value, 'a document changes when it is written');
  readAll(value);
  readAll(mergeInfos([value, value], ['a', 'b']));
  const kinds = value.columns.map(({ kind }) => kind);
  return outcomeOf([...kinds, ...value.domains.map(({ objects }) => `${objects.length} objects`)]);
}

const name = fc.oneof(
  fc.constantFrom('exits', 'time', 'Time', 'kvm', 'vcpu', '__proto__', 'constructor', ''),
  anyText(5),
);
const number = fc.oneof(fc.integer({ min: -20, max: 20 }), fc.constantFrom(2 ** 53 - 1, 2 ** 53, 1e308, 0.5, null));
const time = fc.oneof(
  fc.bigInt({ min: 0n, max: LAST_NS + 2n }).map(String),
  fc.constantFrom('0', String(LAST_NS), String(LAST_NS + 1n), '-1', '', '1e3', ' 1'),
);
const stat = fc.record(
  { name, type: name, exponent: number, unit: name, base: fc.oneof(number, name), bucketSize: number, size: number },
  { requiredKeys: ['name', 'type', 'exponent'] },
);
const schema = fc.record({ provider: name, target: name, stats: fc.array(stat, { maxLength: 3 }) });
const objects = fc.record({
  schema: fc.integer({ min: -1, max: 2 }),
  paths: fc.array(fc.option(name), { maxLength: 3 }),
});
const domain = fc.record(
  {
    ...{ id: name, name, source: name, uuid: name, vcpus: number, pid: number },
    ...{ start: time, end: time, objects: fc.array(objects, { maxLength: 2 }) },
  },
  { requiredKeys: ['id', 'name', 'source', 'start', 'end', 'objects'] },
);
const info = fc.record({
  ...{
    version: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, number),
    'every-ms': number,
    start: time,
    end: time,
  },
  schemas: fc.array(schema, { maxLength: 2 }),
  domains: fc.array(domain, { maxLength: 2 }),
  columns: fc.array(fc.tuple(name, fc.constantFrom('number', 'boolean', 'list', 'other'), name), { maxLength: 3 }),
  merges: fc.array(name, { maxLength: 2 }),
});

/** What a recording's file says of itself: a document in a file that anybody may have made. */
export const recordingInfo: FuzzTarget = {
  name: 'recording-info',
  words: [
    ...[
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      'null',
      'true',
      '0',
      '-1',
      '1.5',
      '"1"',
      '[]',
      '{}',
      '"version":1,',
      '\\u0000',
    ],
    ...[
      '"schemas":',
      '"domains":',
      '"objects":',
      '"columns":',
      '"merges":',
      '"every-ms":',
      '"start":',
      '"paths":[null]',
    ],
    ...['"id":"a"', '"stats":[]', '"__proto__":', '"schema":1', '"9223372036854775806"', '["a","list","a"]'],
  ],
  inputs: info.map((value) => utf8(JSON.stringify(value))),
  check,
};
