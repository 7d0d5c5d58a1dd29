import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Sample } from '../src/model/sample.ts';
import { Registry } from '../src/registry/registry.ts';
import { LocalSource } from '../src/source/local/local-source.ts';
import { diskGuest, type LibvirtDomain, type LibvirtLab, startLibvirt, whyNoLibvirt } from './lab/libvirt.ts';

const TAP = `vspar${process.pid % 100_000}`;
const FRAMES = 7;
const TARGETS = ['vm', 'vcpu', 'block', 'interface', 'iothread'];
const KIB = 1024n;
/** A step of the kernel's clock ticks, in nanoseconds. */
const TICK_NS = 10_000_000n;

/** Everything that we say of a domain: values by provider, target, which object of it, and name. */
type Ours = (provider: string, target: string, index: number, name: string) => bigint | undefined;

/** One number of libvirt's, and the same from us, before and after libvirt was asked. */
interface Row {
  readonly key: string;
  readonly ours: (value: Ours) => bigint | undefined;
  /** By how much the two may differ: libvirt rounds; 0 if absent. */
  readonly tolerance?: bigint;
}

const disk = (index: number): readonly Row[] => {
  const row = (key: string, name: string): Row => ({
    key: `block.${index}.${key}`,
    ours: (value) => value('block', 'block', index, name),
  });
  return [
    row('rd.reqs', 'rd_operations'),
    row('rd.bytes', 'rd_bytes'),
    row('rd.times', 'rd_total_time_ns'),
    row('wr.reqs', 'wr_operations'),
    row('wr.bytes', 'wr_bytes'),
    row('wr.times', 'wr_total_time_ns'),
    row('fl.reqs', 'flush_operations'),
    row('fl.times', 'flush_total_time_ns'),
    row('allocation', 'allocation'),
    row('capacity', 'capacity'),
    row('physical', 'physical'),
  ];
};

const interfaceRows = (['rx', 'tx'] as const).flatMap((way): readonly Row[] =>
  (
    [
      ['bytes', 'bytes'],
      ['pkts', 'packets'],
      ['errs', 'errors'],
      ['drop', 'dropped'],
    ] as const
  ).map(([theirs, ours]) => ({
    key: `net.0.${way}.${theirs}`,
    ours: (value) => value('interface', 'interface', 0, `${way}_${ours}`),
  })),
);

const vcpu = (index: number): readonly Row[] => [
  {
    key: `vcpu.${index}.time`,
    ours: (value) => {
      const [user, system] = ['user_time', 'system_time'].map((name) => value('process', 'vcpu', index, name));
      return user !== undefined && system !== undefined ? (user + system) * TICK_NS : undefined;
    },
  },
  { key: `vcpu.${index}.delay`, ours: (value) => value('process', 'vcpu', index, 'run_delay') },
];

const ROWS: readonly Row[] = [
  { key: 'state.state', ours: (value) => value('state', 'vm', 0, 'state') },
  { key: 'vcpu.current', ours: (value) => value('state', 'vm', 0, 'vcpu_current') },
  { key: 'vcpu.maximum', ours: (value) => value('state', 'vm', 0, 'vcpu_maximum') },
  { key: 'balloon.maximum', ours: (value) => kib(value('state', 'vm', 0, 'memory_current')) },
  { key: 'balloon.current', ours: (value) => kib(value('balloon', 'vm', 0, 'balloon-size')) },
  { key: 'balloon.last-update', ours: (value) => value('balloon', 'vm', 0, 'last-update') },
  // The kernel keeps exact counts by thread, and adds them up only now and then where libvirt reads them.
  { key: 'balloon.rss', ours: (value) => value('process', 'vm', 0, 'rss'), tolerance: 4096n },
  // libvirt reads the control group that it made for the domain.
  {
    key: 'cpu.time',
    ours: (value) => {
      const microseconds = value('process', 'vm', 0, 'cgroup_cpu_time');
      return microseconds === undefined ? undefined : microseconds * 1000n;
    },
  },
  ...[0, 1].flatMap(vcpu),
  ...[0, 1].flatMap(disk),
  ...interfaceRows,
  { key: 'iothread.1.poll-max-ns', ours: (value) => value('iothread', 'iothread', 0, 'poll-max-ns') },
  { key: 'iothread.1.poll-grow', ours: (value) => value('iothread', 'iothread', 0, 'poll-grow') },
  { key: 'iothread.1.poll-shrink', ours: (value) => value('iothread', 'iothread', 0, 'poll-shrink') },
];

function kib(bytes: bigint | undefined): bigint | undefined {
  return bytes === undefined ? undefined : bytes / KIB;
}

describe('what libvirt says of the same domain', () => {
  const reason = whyNoLibvirt();
  let lab: LibvirtLab;
  let domain: LibvirtDomain;
  let registry: Registry;

  beforeAll(async () => {
    if (reason !== undefined) return;
    lab = await startLibvirt();
    domain = await lab.start({ name: 'parity', tap: TAP, iothreads: 1, bootSector: diskGuest(lab.folder) });
    registry = new Registry([new LocalSource({ pids: [lab.pidOf(domain)] })], { deadlineMs: 20_000 });
    sendFrames();
    // Once its firmware is through.
    await vi.waitFor(async () => expect(theirs(await domstats())('block.0.wr.reqs') ?? 0n).not.toBe(0n), 45_000);
    await lab.virsh('suspend', domain.name);
    await sleep(500);
  });
  afterAll(async () => {
    await registry?.close();
    await lab?.stop();
  });

  const domstats = (): Promise<string> => lab.virsh('domstats', '--raw', domain.name);

  it('is what we say', async (context) => {
    if (reason !== undefined) context.skip(reason);
    const before = await ours();
    const libvirt = theirs(await domstats());
    const after = await ours();
    const table = ROWS.map(({ key, ours: of, tolerance = 0n }) => {
      const [low, value, high] = [of(before), libvirt(key), of(after)];
      const isThere = low !== undefined && value !== undefined && high !== undefined;
      return { key, low, value, high, agrees: isThere && low - tolerance <= value && value <= high + tolerance };
    });
    const cells = table.map((row) => [row.key, row.value, row.low, row.high, row.agrees ? '' : 'DIFFERS'].map(String));
    const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...cells.map((cell) => cell[column]?.length ?? 0), 9));
    const lines = [['key', 'libvirt', 'before', 'after', ''], ...cells].map((row) =>
      row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '),
    );
    console.log(lines.join('\n'));
    expect(table.filter(({ agrees }) => !agrees)).toEqual([]);
    // Not all of it nothing.
    expect(libvirt('block.0.rd.bytes')).not.toBe(0n);
    expect(libvirt('net.0.rx.pkts')).not.toBe(0n);
  });

  async function ours(): Promise<Ours> {
    const answers = await Promise.all(TARGETS.map((target) => registry.query({ target })));
    expect(answers.flat().flatMap(({ errors }) => errors)).toEqual([]);
    const samples = answers.flat().flatMap(({ items }): readonly Sample[] => items);
    return (provider, target, index, name) => {
      const own = samples.filter((sample) => sample.provider === provider && sample.target === target);
      const value = own[index]?.stats.find((stat) => stat.name === name)?.value;
      return typeof value === 'bigint' ? value : undefined;
    };
  }
});

/** The numbers that virsh prints. */
function theirs(text: string): (key: string) => bigint | undefined {
  const values = new Map(text.split('\n').map((line) => line.trim().split('=', 2) as [string, string]));
  return (key) => {
    const value = values.get(key);
    return value === undefined || !/^\d+$/.test(value) ? undefined : BigInt(value);
  };
}

/** To the guest: what the host sends, it receives. */
function sendFrames(): void {
  const script = `
import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((sys.argv[1], 0))
for _ in range(int(sys.argv[2])):
    out.send(b'\\xff' * 6 + b'\\x52\\x54\\x00\\x00\\x00\\x01' + b'\\x88\\xb5' + bytes(86))
`;
  execFileSync('/usr/bin/python3', ['-c', script, TAP, String(FRAMES)]);
}
