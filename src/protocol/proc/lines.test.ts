import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { U64_MAX } from '../../model/u64.ts';
import { lastLines, lines } from './lines.ts';

function decoded(decode: ReturnType<typeof lines>, text: string, behind = 'b: 77\n') {
  return decode(Buffer.from(text + behind), Buffer.byteLength(text));
}

const switches = lines([{ start: 'VmRSS:' }, { start: 'voluntary:' }, { start: 'nonvoluntary:' }]);

describe('lines', () => {
  it('are found by what they begin with', () => {
    expect(decoded(switches, 'Name:\tx\nVmRSS:\t   12 kB\nvoluntary:\t3\nnonvoluntary:\t4\n')).toEqual([12n, 3n, 4n]);
  });

  it('are not mistaken for others that end alike, nor for words within one', () => {
    expect(decoded(switches, 'nonvoluntary:\t4\n')).toEqual([undefined, undefined, 4n]);
    expect(decoded(switches, 'Name:\tvoluntary: 9\nvoluntary:\t3\n')).toEqual([undefined, 3n, undefined]);
  });

  it('that are missing cost the others nothing', () => {
    expect(decoded(switches, 'voluntary:\t3\nnonvoluntary:\t4\n')).toEqual([undefined, 3n, 4n]);
  });

  it('beyond the end are none: they are of what was read before', () => {
    expect(decoded(lines([{ start: 'b:' }]), 'a: 1\n')).toEqual([undefined]);
    expect(decoded(lines([{ start: 'b:' }]), '')).toEqual([undefined]);
  });

  it('give a number that stands further on', () => {
    const pressure = lines([
      { start: 'some ', label: 'total=' },
      { start: 'full ', label: 'total=' },
    ]);
    const some = 'some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n';
    expect(decoded(pressure, `${some}full avg10=0.00 avg60=0.00 avg300=0.00 total=${U64_MAX}\n`)).toEqual([
      5n,
      U64_MAX,
    ]);
    expect(decoded(pressure, some)).toEqual([5n, undefined]);
    expect(decoded(pressure, 'some avg10=0.00\nfull total=3\n')).toEqual([undefined, 3n]);
  });

  it('cut anywhere give what is whole', () => {
    const text = 'VmRSS:\t   12 kB\nvoluntary:\t345\nnonvoluntary:\t678\n';
    const whole = decoded(switches, text);
    for (let length = 0; length < text.length; length++) {
      for (const [index, value] of decoded(switches, text.slice(0, length)).entries()) {
        expect([undefined, whole[index]]).toContain(value);
      }
    }
  });

  it('never end in an exception, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const values = switches(Buffer.from(bytes), bytes.length);
        expect(values.every((value) => value === undefined || value <= U64_MAX)).toBe(true);
      }),
    );
  });
});

describe('the last lines', () => {
  const last = lastLines(['voluntary:', 'nonvoluntary:']);

  it('are found by what they begin with, whatever stands around them', () => {
    expect(decoded(last, 'Name:\tx\nVmRSS:\t   12 kB\nvoluntary:\t3\nnonvoluntary:\t4\n')).toEqual([3n, 4n]);
    expect(decoded(last, 'voluntary:\t3\nnonvoluntary:\t4\nnew:\t5\nnewer:\t6\n')).toEqual([3n, 4n]);
    expect(decoded(last, 'voluntary:\t3\nbetween:\t5\nnonvoluntary:\t4\n')).toEqual([3n, 4n]);
  });

  it('that are missing cost the others nothing', () => {
    expect(decoded(last, 'nonvoluntary:\t4\n')).toEqual([undefined, 4n]);
    expect(decoded(last, 'voluntary:\t3\n')).toEqual([3n, undefined]);
    expect(decoded(last, 'Name:\tvoluntary: 9\n')).toEqual([undefined, undefined]);
    expect(decoded(last, '')).toEqual([undefined, undefined]);
  });

  it('cut anywhere give what is whole', () => {
    const text = 'Name:\tx\nvoluntary:\t345\nnonvoluntary:\t678\n';
    for (let length = 0; length <= text.length; length++) {
      for (const [index, value] of decoded(last, text.slice(0, length)).entries()) {
        expect([undefined, [345n, 678n][index]]).toContain(value);
      }
    }
    expect(decoded(last, text)).toEqual([345n, 678n]);
  });

  it('are what the same lines are when sought from the start', () => {
    const both = [last, lines([{ start: 'voluntary:' }, { start: 'nonvoluntary:' }])] as const;
    const line = fc.oneof(
      fc.constantFrom('', 'x', 'Name:\tvoluntary: 1'),
      fc.nat().map((n) => `other:\t${n}`),
    );
    const text = fc.tuple(fc.array(line), fc.bigInt({ min: 0n, max: U64_MAX }), fc.nat(), fc.array(line));
    fc.assert(
      fc.property(text, ([before, voluntary, nonvoluntary, behind]) => {
        const all = [...before, `voluntary:\t${voluntary}`, `nonvoluntary:\t${nonvoluntary}`, ...behind, ''].join('\n');
        expect(decoded(both[0], all)).toEqual([voluntary, BigInt(nonvoluntary)]);
        expect(decoded(both[0], all)).toEqual(decoded(both[1], all));
      }),
    );
  });

  it('never end in an exception, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const values = last(Buffer.from(bytes), bytes.length);
        expect(values.every((value) => value === undefined || value <= U64_MAX)).toBe(true);
      }),
    );
  });
});
