import { describe, expect, it } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import type { Growth } from '../../model/growth.ts';
import type { Sample } from '../../model/sample.ts';
import { document, timestamp } from './json.ts';
import { listDocument } from './list-document.ts';
import { queryDocument } from './query-document.ts';
import { schemasDocument } from './schemas-document.ts';

const domain = { id: 'i', name: 'lab-1', source: 'local:' };
const error = new VirtstatError('TIMEOUT', 'lab-1 gave no answer');
const failed = '{"domain":"lab-1","error":{"code":"TIMEOUT","message":"lab-1 gave no answer"}}';
const sample: Sample = {
  domain: 'lab-1',
  provider: 'kvm',
  target: 'vm',
  via: 'qmp',
  collectedAtNs: 1_795_262_400_000_000_007n,
  stats: [
    { name: 'max', value: 18446744073709551615n },
    { name: 'flag', value: false },
    { name: 'hist', value: [0n, 9007199254740993n] },
  ],
};
const stats =
  '"stats":[{"name":"max","value":18446744073709551615},{"name":"flag","value":false},{"name":"hist","value":[0,9007199254740993]}]';

it('a document cannot steer a terminal, and means what it says', () => {
  const value = ['\u001b[2J \u009b2J \u007f \u202e', 'Müller 虚拟'];
  const text = document(value);
  expect(text).toBe('["\\u001b[2J \\u009b2J \\u007f \\u202e","Müller 虚拟"]\n');
  expect(JSON.parse(text)).toEqual(value);
});

describe('the time', () => {
  it('has nine digits behind the second, in UTC', () => {
    expect(timestamp(0n)).toBe('1970-01-01T00:00:00.000000000Z');
    expect(timestamp(1_795_262_400_123_456_789n)).toBe('2026-11-21T12:00:00.123456789Z');
    expect(timestamp(-1n)).toBe('1969-12-31T23:59:59.999999999Z');
    expect(timestamp(-500_000_000_000_000_000n)).toBe('1954-02-26T23:06:40.000000000Z');
    expect(timestamp(2n ** 90n)).toBe('9999-12-31T23:59:59.999999999Z');
    expect(timestamp(-(2n ** 90n))).toBe('0000-01-01T00:00:00.000000000Z');
  });
});

describe('the document of query', () => {
  it('has exact integers on one line', () => {
    expect(document(queryDocument([{ domain, items: [sample], errors: [] }]))).toBe(
      `[{"domain":"lab-1","provider":"kvm","target":"vm","collected-at":"2026-11-21T12:00:00.000000007Z","via":"qmp",${stats}}]\n`,
    );
  });

  it('names paths by what they are, and says what is stale', () => {
    const stale = { ageNs: 9007199254740993n, code: 'TIMEOUT', reason: error.message };
    const items = [
      { ...sample, path: '/machine/unattached/device[0]', stats: [] },
      { ...sample, path: 'vda', stale, stats: [] },
    ];
    expect(document(queryDocument([{ domain, items, errors: [error] }]))).toBe(
      '[{"domain":"lab-1","provider":"kvm","target":"vm","qom-path":"/machine/unattached/device[0]",' +
        '"collected-at":"2026-11-21T12:00:00.000000007Z","via":"qmp","stats":[]},' +
        '{"domain":"lab-1","provider":"kvm","target":"vm","path":"vda",' +
        '"collected-at":"2026-11-21T12:00:00.000000007Z","via":"qmp",' +
        '"stale":{"age-ns":9007199254740993,"code":"TIMEOUT","reason":"lab-1 gave no answer"},"stats":[]}]\n',
    );
  });

  it('has an element for each error beside the values', () => {
    const text = document(queryDocument([{ domain, items: [{ ...sample, stats: [] }], errors: [error] }]));
    expect(text.endsWith(`,"stats":[]},${failed}]\n`)).toBe(true);
    expect(document(queryDocument([]))).toBe('[]\n');
  });

  it('has rates as numbers beside exact values', () => {
    const growth: Growth = { delta: 5n, rate: 2.5, reset: false };
    const growths = new Map([
      [
        sample,
        new Map([
          ['max', growth],
          ['hist', { delta: [0n, 1n], rate: 0.5, reset: true }],
        ]),
      ],
    ]);
    expect(document(queryDocument([{ domain, items: [sample], errors: [] }], growths))).toContain(
      '"stats":[{"name":"max","value":18446744073709551615,"rate":2.5},{"name":"flag","value":false},' +
        '{"name":"hist","value":[0,9007199254740993],"rate":0.5,"reset":true}]',
    );
  });
});

describe('the document of list', () => {
  const full = { ...domain, uuid: 'u', state: 'running', vcpus: 2, pid: 7 };
  const good = { provider: 'kvm', target: 'vm', via: 'qmp', available: true };
  const bad = { provider: 'kvm', target: 'vcpu', via: 'kvm-file', available: false, reason: 'none' };

  it('has what is known', () => {
    expect(document(listDocument([{ domain: full, items: [good, bad], errors: [] }]))).toBe(
      '[{"name":"lab-1","uuid":"u","state":"running","vcpus":2,"source":"local:","pid":7,"providers":[' +
        '{"provider":"kvm","target":"vm","via":"qmp","available":true},' +
        '{"provider":"kvm","target":"vcpu","via":"kvm-file","available":false,"reason":"none"}]}]\n',
    );
    expect(document(listDocument([{ domain, items: [], errors: [] }]))).toBe(
      '[{"name":"lab-1","source":"local:","providers":[]}]\n',
    );
  });

  it('has a failed domain as an error, beside what is known of it', () => {
    expect(document(listDocument([{ domain, items: [], errors: [error] }]))).toBe(`[${failed}]\n`);
    expect(document(listDocument([{ domain, items: [good], errors: [error] }]))).toContain(
      `"available":true}]},${failed}]`,
    );
  });
});

describe('the document of schemas', () => {
  it('has the members that QMP has', () => {
    const items = [
      {
        provider: 'kvm',
        target: 'vcpu',
        stats: [
          { name: 'exits', type: 'cumulative', exponent: 0, size: 1 },
          { name: 'lin', type: 'linear-histogram', unit: 'bytes', base: 2, exponent: 10, bucketSize: 0, size: 8 },
        ],
      },
    ];
    expect(document(schemasDocument([{ domain, items, errors: [error] }]))).toBe(
      '[{"domain":"lab-1","provider":"kvm","target":"vcpu","stats":[{"name":"exits","type":"cumulative","exponent":0},' +
        '{"name":"lin","type":"linear-histogram","unit":"bytes","base":2,"exponent":10,"bucket-size":0}]},' +
        `${failed}]\n`,
    );
  });
});
