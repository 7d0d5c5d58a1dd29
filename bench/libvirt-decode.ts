import { readFileSync } from 'node:fs';
import { parse } from 'lossless-json';
import type { DomainStatsRecord } from '../src/protocol/libvirt/domain-stats.ts';
import { decodePayload, encodeMessage, MessageReader } from '../src/protocol/libvirt/message.ts';
import { CONNECT_GET_ALL_DOMAIN_STATS } from '../src/protocol/libvirt/procedures.ts';
import type { TypedParameter } from '../src/protocol/libvirt/typed-parameter.ts';
import { type BenchResult, median } from './report.ts';

/** Domains in the reply. */
const DOMAINS = 20;
const ROUNDS = 101;
const LIMIT_NS = 1e6;

/** What a real libvirtd said of a running domain of two vCPUs, two disks and a network interface. */
const CAPTURE: URL = new URL('../test/fixtures/libvirt/9.0-typed-wire.json', import.meta.url);

/** Decoding libvirt's reply about all statistics of twenty domains, about 124 kB, into exact typed parameters. */
export async function run(): Promise<readonly BenchResult[]> {
  const reply = makeReply();
  const rounds = Array.from({ length: ROUNDS }, () => timeNs(() => decodeReply(reply)));
  const ours = median(rounds);
  return [
    {
      name: 'libvirt reply, 20 domains',
      rival: '1 ms',
      unit: 'ns',
      ours,
      ratio: ours,
      limit: LIMIT_NS,
    },
  ];
}

function decodeReply(bytes: Uint8Array): readonly DomainStatsRecord[] {
  const reader = new MessageReader();
  reader.push(bytes);
  const message = reader.next();
  return message === undefined ? [] : decodePayload(message.payload, CONNECT_GET_ALL_DOMAIN_STATS.result);
}

function makeReply(): Uint8Array {
  const captured = parse(readFileSync(CAPTURE, 'utf8'), null, BigInt) as {
    readonly uuid: string;
    readonly params: readonly { readonly field: string; readonly type: string; readonly value: unknown }[];
  }[];
  const { uuid, params: raw } = captured[0] as (typeof captured)[number];
  const params = raw.map(
    ({ field, type, value }) => ({ field, type, value: valueOfType(type, value) }) as TypedParameter,
  );
  const records = Array.from({ length: DOMAINS }, (_, id) => ({ domain: { name: `bench-${id}`, uuid, id }, params }));
  const { number: procedure, result } = CONNECT_GET_ALL_DOMAIN_STATS;
  return encodeMessage({ program: 0x2000_8086, version: 1, procedure, type: 1, serial: 1, status: 0 }, result, records);
}

function valueOfType(type: string, value: unknown): unknown {
  if (type === 'boolean') return value === 1n;
  return type === 'int' || type === 'uint' ? Number(value) : value;
}

function timeNs(work: () => unknown): number {
  const startMs = performance.now();
  work();
  return (performance.now() - startMs) * 1e6;
}
