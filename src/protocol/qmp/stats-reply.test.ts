import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StatsFilter } from '../../model/filter.ts';
import type { Schema } from '../../model/stat.ts';
import { type JsonObject, type JsonValue, parseJson, stringifyJson } from '../json/json.ts';
import { decodeMessage } from './messages.ts';
import { decodeCpus } from './queries.ts';
import { encodeSchemas, encodeStats } from './stats-encode.ts';
import { decodeSchemas, decodeStats, MAX_REPLY_ITEMS, type StatsResult } from './stats-reply.ts';
import { encodeStatsFilter, encodeStatsRequest } from './stats-request.ts';

function fixture(name: string): JsonObject {
  const url = new URL(`../../../test/fixtures/qmp/${name}`, import.meta.url);
  return parseJson(readFileSync(url, 'utf8').trim()) as JsonObject;
}

const QEMU_72_VCPU = fixture('qemu72-vcpu.txt')['return'] as JsonValue;
const QEMU_72_VM = fixture('qemu72-vm.txt')['return'] as JsonValue;
const QEMU_72_SCHEMAS = fixture('qemu72-schemas.txt')['return'] as JsonValue;
const QEMU_11 = fixture('qemu11.1-alpha.json');

function reply(command: string): JsonValue {
  return (QEMU_11[command] as JsonObject)['return'] as JsonValue;
}

describe('decodeStats', () => {
  it('puts real replies into the order of the kernel', () => {
    // QEMU's first result, and each of its lists read backwards.
    const result = decodeStats(QEMU_72_VCPU).at(-1);
    expect(result).toMatchObject({ provider: 'kvm', path: '/machine/unattached/device[2]' });
    expect(result?.stats.slice(0, 2)).toEqual([
      { name: 'halt_successful_poll', value: 0n },
      { name: 'halt_attempted_poll', value: 0n },
    ]);
    expect(result?.stats.at(-2)).toEqual({ name: 'guest_mode', value: false });
    const histogram = result?.stats.find((stat) => stat.name === 'halt_wait_hist')?.value as readonly bigint[];
    // The reply begins with [1,1,0,0,0,0,0,1,0,1: the largest bucket first.
    expect(histogram.slice(-10)).toEqual([1n, 0n, 1n, 0n, 0n, 0n, 0n, 0n, 1n, 1n]);
    expect(decodeStats(QEMU_72_VM)).toMatchObject([{ provider: 'kvm' }]);
    expect(decodeStats(QEMU_72_VM)[0]).not.toHaveProperty('path');
  });

  it('puts vCPUs into ascending order', () => {
    const paths = decodeCpus(reply('query-cpus-fast')).map((cpu) => cpu.path);
    expect(paths.length).toBeGreaterThan(1);
    expect(decodeStats(reply('query-stats-vcpu')).map((result) => result.path)).toEqual(paths);
  });

  it.each<[JsonValue, string]>([
    [{}, 'query-stats should be an array'],
    [[1], 'query-stats[0] should be an object'],
    [[{ stats: [] }], 'query-stats[0].provider should be a string'],
    [[{ provider: 'kvm' }], 'query-stats[0].stats should be an array'],
    [[{ provider: 'kvm', stats: [], 'qom-path': 1 }], 'query-stats[0].qom-path should be a string'],
    [[{ provider: 'kvm', stats: [null] }], 'query-stats[0].stats[0].name should be a string'],
    [[{ provider: 'kvm', stats: [{ value: 1 }] }], 'query-stats[0].stats[0].name should be a string'],
    [[{ provider: 'kvm', stats: [{ name: 'a' }] }], 'query-stats[0].stats[0].value should be'],
  ])('refuses %j, saying where', (json, message) => {
    expect(() => decodeStats(json)).toThrow(
      expect.objectContaining({ code: 'QMP_REPLY_INVALID', message: expect.stringContaining(message) }),
    );
  });

  it.each([
    '-1',
    '1.5',
    '1e30',
    '-9223372036854775808',
    '18446744073709551616',
    'null',
    '"x"',
    '{}',
    '[true]',
    '[[1]]',
    '[1,-1]',
  ])('refuses the value %s', (value) => {
    const reply = `[{"provider":"kvm","stats":[{"name":"a","value":1},{"name":"b","value":${value}}]}]`;
    expect(() => decodeStats(parseJson(reply))).toThrow(
      expect.objectContaining({ message: expect.stringContaining('query-stats[0].stats[1].value should be') }),
    );
  });

  it.each(['0', '9007199254740991', '9007199254740993', '18446744073709551615'])(
    'takes the value %s exactly',
    (value) => {
      const reply = `[{"provider":"kvm","stats":[{"name":"a","value":${value}}]}]`;
      expect(decodeStats(parseJson(reply))[0]?.stats).toEqual([{ name: 'a', value: BigInt(value) }]);
    },
  );
});

describe('decodeSchemas', () => {
  it('puts real replies into the order of the kernel, the VM first', () => {
    for (const json of [QEMU_72_SCHEMAS, reply('query-stats-schemas')]) {
      const schemas = decodeSchemas(json);
      const ofKvm = schemas.filter((schema) => schema.provider === 'kvm');
      expect(ofKvm.map((schema) => schema.target)).toEqual(['vm', 'vcpu']);
      const vcpu = ofKvm[1]?.stats ?? [];
      expect(vcpu[0]).toEqual({ name: 'halt_successful_poll', type: 'cumulative', exponent: 0 });
      expect(vcpu.find((stat) => stat.name === 'halt_wait_hist')).toEqual({
        name: 'halt_wait_hist',
        type: 'log2-histogram',
        unit: 'seconds',
        base: 10,
        exponent: -9,
      });
    }
  });

  it('names the same stats in the same order as the values', () => {
    const names = (stats: readonly { readonly name: string }[] | undefined) => stats?.map((stat) => stat.name);
    const [vm, vcpu] = decodeSchemas(QEMU_72_SCHEMAS);
    expect(names(decodeStats(QEMU_72_VM)[0]?.stats)).toEqual(names(vm?.stats));
    expect(names(decodeStats(QEMU_72_VCPU)[0]?.stats)).toEqual(names(vcpu?.stats));
  });

  it('lets unknown words and members pass', () => {
    const stat = {
      name: 'n',
      type: 'sparse-histogram',
      unit: 'parsecs',
      exponent: -3,
      base: 7,
      'bucket-size': 4,
      new: [],
    };
    expect(decodeSchemas([{ provider: 'qpu', target: 'gate', stats: [stat] }])).toEqual([
      {
        provider: 'qpu',
        target: 'gate',
        stats: [{ name: 'n', type: 'sparse-histogram', unit: 'parsecs', exponent: -3, base: 7, bucketSize: 4 }],
      },
    ]);
  });

  it.each([
    ['x', 'query-stats-schemas should be an array'],
    [[{ provider: 'kvm', stats: [] }], 'query-stats-schemas[0].target'],
    [[{ provider: 'kvm', target: 'vm', stats: [{ name: 'a', type: 'peak' }] }], '[0].stats[0].exponent'],
    [[{ provider: 'kvm', target: 'vm', stats: [{ name: 'a', type: 'peak', exponent: 0, unit: 1 }] }], '.stats[0].unit'],
  ])('refuses %j, saying where', (json, message) => {
    expect(() => decodeSchemas(json as JsonValue)).toThrow(
      expect.objectContaining({ code: 'QMP_REPLY_INVALID', message: expect.stringContaining(message) }),
    );
  });
});

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const results = fc.array(
  fc.record(
    {
      provider: fc.string(),
      path: fc.string(),
      stats: fc.array(fc.record({ name: fc.string(), value: fc.oneof(u64, fc.boolean(), fc.array(u64)) }), {
        minLength: 1,
      }),
    },
    { requiredKeys: ['provider', 'stats'], noNullPrototype: true },
  ),
);
const schemas = fc.array(
  fc.record(
    {
      provider: fc.string(),
      target: fc.string(),
      stats: fc.array(
        fc.record(
          {
            name: fc.string(),
            type: fc.string(),
            unit: fc.string(),
            base: fc.constantFrom(2, 10),
            exponent: fc.integer({ min: -32768, max: 32767 }),
            bucketSize: fc.nat(2 ** 32 - 1),
          },
          { requiredKeys: ['name', 'type', 'exponent'], noNullPrototype: true },
        ),
      ),
    },
    { noNullPrototype: true },
  ),
);

describe('the encoders', () => {
  it('turn decoded replies of QEMU back into the same bytes', () => {
    for (const json of [QEMU_72_VCPU, QEMU_72_VM, reply('query-stats-vcpu'), reply('query-stats-vm')]) {
      expect(stringifyJson(encodeStats(decodeStats(json)))).toBe(stringifyJson(json));
    }
    for (const json of [QEMU_72_SCHEMAS, reply('query-stats-schemas')]) {
      expect(stringifyJson(encodeSchemas(decodeSchemas(json)))).toBe(stringifyJson(json));
    }
  });

  it('lose nothing of any values and schemas', () => {
    fc.assert(
      fc.property(results, schemas, (someResults: readonly StatsResult[], someSchemas: readonly Schema[]) => {
        expect(decodeStats(parseJson(stringifyJson(encodeStats(someResults))))).toEqual(someResults);
        expect(decodeSchemas(parseJson(stringifyJson(encodeSchemas(someSchemas))))).toEqual(someSchemas);
      }),
    );
  });

  it('leave out results without stats, but not schemas', () => {
    expect(encodeStats([{ provider: 'kvm', stats: [] }])).toEqual([]);
    expect(encodeSchemas([{ provider: 'kvm', target: 'vm', stats: [] }])).toHaveLength(1);
  });
});

describe('the requests', () => {
  it.each<[StatsFilter, string]>([
    [{ target: 'vm' }, '{"target":"vm"}'],
    [{ target: 'vcpu', paths: [] }, '{"target":"vcpu","vcpus":[]}'],
    [{ target: 'vm', paths: ['/x'] }, '{"target":"vm"}'],
    [{ target: 'vm', providers: [] }, '{"target":"vm","providers":[]}'],
    [
      { target: 'vcpu', providers: [{ provider: 'kvm', names: ['a'] }, { provider: 'kvm' }], paths: ['/x'] },
      '{"target":"vcpu","providers":[{"provider":"kvm","names":["a"]},{"provider":"kvm"}],"vcpus":["/x"]}',
    ],
  ])('say %j in the words of QEMU', (filter, text) => {
    expect(stringifyJson(encodeStatsFilter(filter))).toBe(text);
  });

  it('ask one provider', () => {
    expect(stringifyJson(encodeStatsRequest('kvm', { target: 'vcpu', names: [] }))).toBe(
      '{"target":"vcpu","providers":[{"provider":"kvm","names":[]}]}',
    );
  });
});

describe('decodeMessage', () => {
  it('decodes a real greeting', () => {
    expect(decodeMessage(QEMU_11['greeting'] as JsonValue)).toEqual({
      kind: 'greeting',
      greeting: {
        version: { major: 11, minor: 1, micro: 3, package: 'Debian 1:11.1.3+ds-1' },
        capabilities: ['oob'],
      },
    });
  });

  it('never raises anything but QMP_REPLY_INVALID', () => {
    const members = fc.dictionary(
      fc.constantFrom('QMP', 'return', 'error', 'event', 'timestamp', 'data', 'id'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(fc.oneof(members, fc.jsonValue()), (json) => {
        try {
          decodeMessage(json as JsonValue);
        } catch (error) {
          expect(error).toMatchObject({ code: 'QMP_REPLY_INVALID' });
        }
      }),
    );
  });
});

describe('the bound of a reply', () => {
  const stat = { name: 'a', value: 1 };
  const many = <T>(item: T, more = 0): T[] => new Array<T>(MAX_REPLY_ITEMS + more).fill(item);

  it('lets as many pass as a stats file may have', () => {
    expect(decodeStats([{ provider: 'kvm', stats: many(stat) }])[0]?.stats).toHaveLength(MAX_REPLY_ITEMS);
    expect(decodeStats(many({ provider: 'kvm', stats: [] }))).toHaveLength(MAX_REPLY_ITEMS);
    expect(decodeStats([{ provider: 'kvm', stats: [{ name: 'h', value: many(0) }] }])[0]?.stats).toHaveLength(1);
  });

  it('refuses one more', () => {
    const refused = expect.objectContaining({ code: 'QMP_REPLY_INVALID' });
    expect(() => decodeStats([{ provider: 'kvm', stats: many(stat, 1) }])).toThrow(refused);
    expect(() => decodeStats(many({ provider: 'kvm', stats: [] }, 1))).toThrow(refused);
    expect(() => decodeStats([{ provider: 'kvm', stats: [{ name: 'h', value: many(0, 1) }] }])).toThrow(refused);
  });
});
