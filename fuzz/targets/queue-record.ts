import fc from 'fast-check';
import {
  decodeHeader,
  decodeRecord,
  encodeRecord,
  MAX_BODY_BYTES,
  RECORD_HEADER_BYTES,
} from '../../src/export/queue/record.ts';
import { bytesOf, type FuzzTarget, latin1, must, mustEqual, outcomeOf } from '../target.ts';

function check(input: Uint8Array): string {
  const header = decodeHeader(input);
  const record = decodeRecord(input);
  if (header === undefined) {
    must(record === undefined, 'a record without a header');
    return input.length < RECORD_HEADER_BYTES ? 'short' : 'no header';
  }
  must(header.bodyBytes <= MAX_BODY_BYTES, `a body of ${header.bodyBytes} bytes`);
  if (record === undefined) return input.length === RECORD_HEADER_BYTES + header.bodyBytes ? 'damaged' : 'other size';
  must(record.body.length === header.bodyBytes && record.sequence === header.sequence, 'a record unlike its header');
  mustEqual(latin1(encodeRecord(record)), latin1(input), 'a record changes when it is written');
  return outcomeOf([record.body.length === 0 ? 'empty' : 'body', record.samples === 0 ? 'nothing' : 'samples']);
}

const records = fc
  .record({
    body: fc.uint8Array({ maxLength: 40 }),
    samples: fc.oneof(fc.constant(0), fc.nat(2 ** 31 - 1)),
    sequence: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  })
  .map((batch) => latin1(encodeRecord(batch)));

/** What a process that ended, however it did, left in the files of a queue. */
export const queueRecord: FuzzTarget = {
  name: 'queue-record',
  words: ['VSQ1', '\0', '\xff\xff\xff\xff', '\x01\0\0\0'],
  inputs: fc
    .tuple(records, fc.constantFrom('', '', '', 'x', 'cut'))
    .map(([record, more]) => bytesOf(more === 'cut' ? record.slice(0, -1) : record + more)),
  check,
};
