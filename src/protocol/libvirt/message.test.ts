import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as classic from './classic-procedures.ts';
import { REMOTE_ERROR } from './error.ts';
import { encodeKeepalive, KEEPALIVE } from './keepalive.ts';
import {
  decodePayload,
  encodeMessage,
  HEADER_BYTES,
  MAX_MESSAGE_BYTES,
  type Message,
  type MessageHeader,
  MessageReader,
} from './message.ts';
import type { Procedure } from './procedure.ts';
import * as procedures from './procedures.ts';
import { chars, NOTHING, type XdrCodec } from './xdr-codec.ts';

const FIXTURES = new URL('../../../test/fixtures/libvirt/', import.meta.url);
const HEADER = { program: 0x2000_8086, version: 1, procedure: 344, type: 0, serial: 7, status: 0 };

/** Exchanges with the real libvirtd: of the real virsh, by what it was asked, and of virt-top, by its version. */
const EXCHANGES = [
  ...['domstats_state', 'domstats_state_vm_beta', 'domstats_state_enforce_listinactive_vm', 'list_all'],
  ...['virt-top-1.0.8', 'virt-top-1.0.9'],
];

const capture = (name: string): Uint8Array => Uint8Array.from(readFileSync(new URL(name, FIXTURES)));

function read(chunks: readonly Uint8Array[]): readonly Message[] {
  const reader = new MessageReader();
  const messages: Message[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let message = reader.next(); message !== undefined; message = reader.next()) messages.push(message);
  }
  expect(reader.heldBytes).toBe(0);
  return messages;
}

function cut(bytes: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  const places = [0, ...cuts.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place));
}

/** The codec of a payload, by procedure and direction. */
function codecOf({ procedure, type, status }: MessageHeader): XdrCodec<unknown> {
  const known = Object.values({ ...procedures, ...classic }).find(
    (each) => typeof each === 'object' && 'args' in each && each.number === procedure,
  ) as Procedure<unknown, unknown> | undefined;
  if (known === undefined) throw new Error(`procedure ${procedure} is not in the table`);
  if (type === 0) return known.args;
  return status === 0 ? known.result : (REMOTE_ERROR as XdrCodec<unknown>);
}

describe.each(EXCHANGES.flatMap((name) => [`rpc-${name}.c2s.bin`, `rpc-${name}.s2c.bin`]))('%s', (name) => {
  const bytes = capture(name);

  it('is decoded to values that encode to the same bytes', () => {
    const messages = read([bytes]);
    expect(messages.length).toBeGreaterThan(8);
    const again = messages.map(({ header, payload }) => {
      const codec = codecOf(header);
      return encodeMessage(header, codec, decodePayload(payload, codec));
    });
    expect(Buffer.concat(again)).toEqual(Buffer.from(bytes));
  });

  it('is read byte by byte and cut anywhere as in one piece', () => {
    const whole = read([bytes]);
    expect(read(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(whole);
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 9 }), (cuts) => {
        expect(read(cut(bytes, cuts))).toEqual(whole);
      }),
    );
  });

  it('is refused where a payload is one byte shorter or longer', () => {
    for (const { header, payload } of read([bytes])) {
      const codec = codecOf(header);
      if (payload.length > 0) expect(() => decodePayload(payload.subarray(0, -1), codec)).toThrow();
      expect(() => decodePayload(Uint8Array.of(...payload, 0), codec)).toThrow(/1 bytes follow/);
    }
  });
});

describe('the captured values', () => {
  const decoded = (name: string, procedure: number): unknown => {
    const message = read([capture(name)]).find(({ header }) => header.procedure === procedure);
    if (message === undefined) throw new Error(`${name} has no procedure ${procedure}`);
    return decodePayload(message.payload, codecOf(message.header));
  };

  it('are virsh’s question and libvirtd’s records', () => {
    expect(decoded('rpc-domstats_state.c2s.bin', 1)).toEqual({ name: 'qemu:///system', flags: 0 });
    expect(decoded('rpc-domstats_state.c2s.bin', 344)).toEqual({ domains: [], stats: 1, flags: 0 });
    const records = decoded('rpc-domstats_state.s2c.bin', 344) as unknown[];
    expect(records).toHaveLength(4);
    expect(records.slice(0, 2)).toEqual([
      {
        domain: { name: 'alpha', uuid: '11111111-1111-4111-8111-111111111111', id: 7 },
        params: [
          { field: 'state.state', type: 'int', value: 1 },
          { field: 'state.reason', type: 'int', value: 1 },
        ],
      },
      {
        domain: { name: 'delta-off', uuid: '44444444-4444-4444-8444-444444444444', id: -1 },
        params: [
          { field: 'state.state', type: 'int', value: 5 },
          { field: 'state.reason', type: 'int', value: 0 },
        ],
      },
    ]);
  });

  it('are the error of a group that is not supported', () => {
    expect(decoded('rpc-domstats_state_enforce_listinactive_vm.s2c.bin', 344)).toMatchObject({
      code: 74,
      domain: 10,
      level: 2,
      message: 'argument unsupported: Stats types bits 0x400 are not supported by this daemon or QEMU',
      dom: undefined,
      str1: 'argument unsupported: %s',
      int1: -1,
    });
  });
});

describe('MessageReader', () => {
  const word = (value: number): Uint8Array => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value);
    return bytes;
  };
  const refusal = (...chunks: readonly Uint8Array[]): unknown => {
    try {
      return read(chunks);
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };

  it('refuses a length below the header’s as soon as it is there', () => {
    for (const length of [0, 1, 10, HEADER_BYTES - 1]) expect(refusal(word(length))).toBe('LIBVIRT_MESSAGE_INVALID');
    expect(read([encodeMessage(HEADER, NOTHING, undefined)])).toMatchObject([{ header: HEADER }]);
  });

  it('refuses a length above libvirt’s as soon as it is there, and waits at the bound', () => {
    for (const length of [MAX_MESSAGE_BYTES + 1, 2 ** 31, 2 ** 32 - 1])
      expect(refusal(word(length))).toBe('FRAME_TOO_LARGE');
    const reader = new MessageReader();
    reader.push(word(MAX_MESSAGE_BYTES));
    expect(reader.next()).toBeUndefined();
    reader.push(new Uint8Array(9));
    expect(reader.next()).toBeUndefined();
    expect(reader.heldBytes).toBe(13);
  });

  it('keeps what it gave away as it was', () => {
    const reader = new MessageReader();
    const first = encodeMessage(HEADER, chars(9), Uint8Array.of(1, 2));
    const second = encodeMessage(HEADER, chars(9), Uint8Array.of(3, 4));
    const both = Uint8Array.of(...first, ...second);
    reader.push(both.subarray(0, 20));
    reader.push(both.subarray(20, first.length + 20));
    const message = reader.next();
    reader.push(both.subarray(first.length + 20));
    expect(decodePayload(reader.next()?.payload ?? new Uint8Array(0), chars(9))).toEqual(Uint8Array.of(3, 4));
    expect(decodePayload(message?.payload ?? new Uint8Array(0), chars(9))).toEqual(Uint8Array.of(1, 2));
  });
});

describe('encodeMessage', () => {
  it('refuses a message above libvirt’s bound', () => {
    const items = (MAX_MESSAGE_BYTES - HEADER_BYTES - 4) / 4;
    expect(encodeMessage(HEADER, chars(2 ** 32), new Uint8Array(items))).toHaveLength(MAX_MESSAGE_BYTES);
    expect(() => encodeMessage(HEADER, chars(2 ** 32), new Uint8Array(items + 1))).toThrow(
      expect.objectContaining({ code: 'FRAME_TOO_LARGE' }),
    );
  });

  it('has libvirt’s own form for ping and pong', () => {
    const form = (procedure: number): string =>
      `0000001c6b65657000000001${procedure.toString(16).padStart(8, '0')}000000020000000000000000`;
    expect(Buffer.from(encodeKeepalive(KEEPALIVE.ping)).toString('hex')).toBe(form(1));
    expect(Buffer.from(encodeKeepalive(KEEPALIVE.pong)).toString('hex')).toBe(form(2));
  });
});
