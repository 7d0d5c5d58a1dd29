import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import * as classic from '../src/protocol/libvirt/classic-procedures.ts';
import { REMOTE_ERROR } from '../src/protocol/libvirt/error.ts';
import { decodePayload, type Message, MessageReader } from '../src/protocol/libvirt/message.ts';
import type { Procedure } from '../src/protocol/libvirt/procedure.ts';
import * as procedures from '../src/protocol/libvirt/procedures.ts';
import { diskGuest, startLibvirt, whyNoLibvirt } from './lab/libvirt.ts';
import { whyNoNetwork } from './lab/network.ts';
import { startQemu, whyNoVm } from './lab/qemu.ts';
import { ServedFace } from './lab/served-face.ts';
import { TmuxTerminal, whyNoTmux } from './lab/tmux.ts';
import { virtTop, virtTopRows } from './lab/virt-top.ts';

const ANSWER_LIMIT_MS = 20_000;
const SCREEN_LIMIT_MS = 15_000;

/** The tap device of the recorded domain, and of this test's. */
const RECORDED_TAP = 'vtop000';
const TAP = `vt${String(process.pid % 100_000).padStart(5, '0')}`;

const PROCEDURES: ReadonlyMap<number, Procedure<unknown, unknown>> = new Map(
  Object.values({ ...procedures, ...classic })
    .filter((each) => typeof each === 'object' && 'args' in each && 'result' in each)
    .map((each) => [each.number, each as unknown as Procedure<unknown, unknown>]),
);

/** Whether an answer of ours is as good as the recorded one, by what is asked; where nothing stands here it must be the same. */
const AGREEMENTS: Readonly<Record<string, (ours: never, libvirtd: never) => void>> = {
  // No events come from us, and nobody can lose a connection of ours to a hypervisor: clients do without both features.
  CONNECT_SUPPORTS_FEATURE: (ours: number) => expect([0, 1]).toContain(ours),
  CONNECT_GET_HOSTNAME: (ours: string) => expect(ours).not.toBe(''),
  NODE_GET_INFO: (ours: classic.NodeInfo) => {
    expect(ours.cpus).toBeGreaterThan(0);
    expect(ours.memoryKib).toBeGreaterThan(0n);
    expect(ours.nodes * ours.sockets * ours.cores * ours.threads).toBeGreaterThanOrEqual(ours.cpus);
  },
  CONNECT_LIST_DOMAINS: sameMembers,
  DOMAIN_GET_XML_DESC: (ours: string, libvirtd: string) => {
    const devices = (xml: string) => [...xml.matchAll(/<(disk|interface|target dev)\b(?:='([^']+)')?/g)].map(String);
    expect(devices(ours).map((each) => each.replaceAll(TAP, RECORDED_TAP))).toEqual(devices(libvirtd));
  },
  DOMAIN_GET_INFO: (ours: procedures.DomainInfo, libvirtd: procedures.DomainInfo) => {
    expect(ours).toEqual({ ...libvirtd, state: 3, cpuTimeNs: expect.any(BigInt) });
    expect(ours.cpuTimeNs).toBeGreaterThan(0n);
  },
  DOMAIN_BLOCK_STATS: notBelow,
  DOMAIN_INTERFACE_STATS: notBelow,
  // How many host CPUs there are, or how many parameters of each.
  DOMAIN_GET_CPU_STATS: (ours: classic.CpuStats, libvirtd: classic.CpuStats) => {
    expect(ours.params.length).toBe(libvirtd.params.length);
    expect(ours.count).toBeGreaterThan(0);
  },
  CONNECT_GET_ALL_DOMAIN_STATS: (ours: Records, libvirtd: Records) => {
    expect(ours.length).toBe(libvirtd.length);
    for (const { domain, params } of libvirtd) {
      const mine = ours.find(({ domain: { uuid } }) => uuid === domain.uuid);
      expect(mine?.domain).toEqual(domain);
      const types = new Map(mine?.params.map(({ field, type }) => [field, type]));
      const read = params.filter(({ field }) => READ_BY_VIRT_TOP.test(field));
      expect(read.length).toBeGreaterThan(8);
      expect(read.map(({ field }) => [field, types.get(field)])).toEqual(read.map(({ field, type }) => [field, type]));
    }
  },
};

type Records = Awaited<ReturnType<typeof decodeRecords>>;
const decodeRecords = (payload: Uint8Array) => decodePayload(payload, procedures.CONNECT_GET_ALL_DOMAIN_STATS.result);

const READ_BY_VIRT_TOP =
  /^(state\.state|cpu\.time|balloon\.current|vcpu\.current|(block|net)\.count|block\.\d+\.(name|(rd|wr)\.(reqs|bytes))|net\.\d+\.(name|[rt]x\.(bytes|pkts|errs|drop)))$/;

function sameMembers(ours: readonly number[], libvirtd: readonly number[]): void {
  expect(ours.toSorted()).toEqual(libvirtd.toSorted());
}

/** Counters: -1 where libvirtd knows none either. */
function notBelow(ours: Readonly<Record<string, bigint>>, libvirtd: Readonly<Record<string, bigint>>): void {
  expect(Object.keys(ours)).toEqual(Object.keys(libvirtd));
  for (const [name, value] of Object.entries(libvirtd)) {
    if (value < 0n) expect([name, ours[name]]).toEqual([name, value]);
    else expect([name, (ours[name] ?? -1n) >= 0n]).toEqual([name, true]);
  }
}

function recorded(version: string, direction: 'c2s' | 's2c'): Buffer {
  return readFileSync(new URL(`./fixtures/libvirt/rpc-virt-top-${version}.${direction}.bin`, import.meta.url));
}

function messagesIn(bytes: Uint8Array): readonly Message[] {
  const reader = new MessageReader();
  reader.push(bytes);
  const messages: Message[] = [];
  for (let message = reader.next(); message !== undefined; message = reader.next()) messages.push(message);
  return messages;
}

/** What a server answers to a whole conversation, each call sent when the one before it was answered. */
async function converse(path: string, calls: Buffer): Promise<readonly Message[]> {
  const socket = connect(path);
  const reader = new MessageReader();
  const answers: Message[] = [];
  let told = Promise.withResolvers<void>();
  socket.on('data', (chunk) => {
    reader.push(chunk);
    for (let message = reader.next(); message !== undefined; message = reader.next()) {
      answers.push({ header: message.header, payload: Uint8Array.from(message.payload) });
    }
    told.resolve();
  });
  socket.on('error', (error) => told.reject(error)).on('close', () => told.reject(new Error('the face hung up')));
  const limit = setTimeout(() => told.reject(new Error('no answer')), ANSWER_LIMIT_MS);
  try {
    let count = 0;
    for (let at = 0; at < calls.length; at += calls.readUInt32BE(at)) {
      socket.write(calls.subarray(at, at + calls.readUInt32BE(at)));
      count++;
      while (answers.length < count) {
        told = Promise.withResolvers();
        await told.promise;
      }
    }
    return answers;
  } finally {
    clearTimeout(limit);
    told.promise.catch(() => undefined);
    socket.destroy();
  }
}

/** QEMUs with the names, uuids, vCPUs, disks and NICs of the domains that were recorded. */
async function recordedDomains() {
  const disks = (count: number) =>
    Array.from({ length: count }, (_, index) => [
      ...['-blockdev', `driver=null-co,node-name=node${index},read-zeroes=on`],
      ...['-device', `virtio-blk-pci,drive=node${index},id=virtio-disk${index}`],
    ]).flat();
  const balloon = ['-device', 'virtio-balloon-pci,id=balloon0'];
  const tap = ['-netdev', `tap,id=hostnet0,ifname=${TAP},script=no,downscript=no`];
  const common = { paused: true, accel: 'tcg' } as const;
  const web = await startQemu({
    ...{ ...common, name: 'web-1', uuid: '11111111-1111-4111-8111-111111111111' },
    args: [...disks(2), ...balloon, ...tap, '-device', 'virtio-net-pci,netdev=hostnet0,id=net0'],
  });
  try {
    const db = await startQemu({
      ...{ ...common, name: 'db-1', uuid: '22222222-2222-4222-8222-222222222222', smp: 1 },
      args: [...disks(1), ...balloon],
    });
    return { web, db };
  } catch (error) {
    await web.stop();
    throw error;
  }
}

it('the conversation of virt-top with libvirtd can be had with virtstatd, call by call', async (context) => {
  const reason = whyNoVm() ?? whyNoNetwork();
  if (reason !== undefined) context.skip(reason);
  const { web, db } = await recordedDomains();
  await using _web = web;
  await using _db = db;
  await using served = await ServedFace.start([web.pid, db.pid]);
  for (const version of ['1.0.9', '1.0.8']) {
    const calls = Buffer.from(recorded(version, 'c2s').toString('latin1').replaceAll(RECORDED_TAP, TAP), 'latin1');
    const answers = await converse(served.socketPath, calls);
    const expected = messagesIn(recorded(version, 's2c'));
    expect(answers.map(({ header }) => header)).toEqual(expected.map(({ header }) => header));
    for (const [index, { header, payload }] of answers.entries()) {
      const theirs = expected[index]?.payload ?? new Uint8Array();
      const procedure = PROCEDURES.get(header.procedure);
      if (procedure === undefined) throw new Error(`procedure ${header.procedure} is in no table`);
      if (header.status !== 0) {
        const { code, domain, message } = decodePayload(theirs, REMOTE_ERROR);
        expect(decodePayload(payload, REMOTE_ERROR)).toMatchObject({ code, domain, message });
        continue;
      }
      const [mine, libvirtd] = [payload, theirs].map((each) => decodePayload(each, procedure.result));
      const agree = AGREEMENTS[procedure.name] as ((ours: unknown, libvirtd: unknown) => void) | undefined;
      if (agree === undefined) expect([procedure.name, mine]).toEqual([procedure.name, libvirtd]);
      else agree(mine, libvirtd);
    }
  }
});

it('virt-top shows the same of libvirt’s domains through virtstatd and through libvirtd', async (context) => {
  const program = virtTop();
  const reason = 'reason' in program ? program.reason : whyNoLibvirt();
  if (reason !== undefined || 'reason' in program) return context.skip(reason);
  await using lab = await startLibvirt();
  const bootSector = diskGuest(lab.folder);
  const web = await lab.start({ name: 'web-1', tap: TAP, bootSector });
  const db = await lab.start({ name: 'db-1', disksMib: [16], vcpus: 1, paused: true });
  await using served = await ServedFace.start([web, db].map((domain) => lab.pidOf(domain)));
  // A QEMU that has just started takes seconds for what it is asked first.
  await lab.virsh('domstats');
  await expect
    .poll(() => served.virsh('domstats', '--block'), { timeout: ANSWER_LIMIT_MS })
    .toMatch(/(block\.count.*){2}/s);
  const ROUNDS = 4;
  const [ours = [], theirs = []] = await Promise.all(
    [served.uri, lab.readOnlyUri].map((uri) => virtTopRows(program.path, uri, ROUNDS)),
  );
  expect([ours.length, theirs.length]).toEqual([ROUNDS, ROUNDS]);
  const pick = (row: Readonly<Record<string, string>> | undefined, names: readonly string[]) =>
    names.map((name) => row?.[name]);
  const same = [
    'Hostname',
    'Arch',
    'Physical CPUs',
    'Count',
    'Running',
    'Paused',
    'Inactive',
    'Total guest memory (KB)',
  ];
  expect(pick(ours.at(-1)?.host, same)).toEqual(pick(theirs.at(-1)?.host, same));
  for (const index of [0, 1]) {
    const [mine, libvirtd] = [ours, theirs].map((rows) => rows.map(({ domains }) => domains[index]));
    const still = ['Domain ID', 'Domain name', 'Mem (bytes)', '%Mem', 'Net RXBY', 'Net TXBY'];
    expect(pick(mine?.at(-1), still)).toEqual(pick(libvirtd?.at(-1), still));
    // The first row has no rates; seconds of one do not begin with those of the other.
    for (const name of ['Block RDRQ', 'Block WRRQ', 'CPU (ns)']) {
      const [sum = 0, other = 0] = [mine, libvirtd].map((rows = []) =>
        rows.slice(1).reduce((total, row) => total + Number(row?.[name] || Number.NaN), 0),
      );
      expect([name, sum > 0]).toEqual([name, other > 0]);
      expect(Math.abs(sum - other)).toBeLessThan(Math.max(sum, other) / 2 + 1e7);
    }
    expect(Number(mine?.at(-1)?.['Block RDRQ']) > 0).toBe(index === 0);
  }
  console.log(JSON.stringify({ virtstatd: ours.at(-1), libvirtd: theirs.at(-1) }, undefined, 1));
});

it('all screens of virt-top show VMs that libvirt knows nothing of', async (context) => {
  const program = virtTop();
  const reason = 'reason' in program ? program.reason : (whyNoVm() ?? whyNoNetwork() ?? whyNoTmux());
  if (reason !== undefined || 'reason' in program) return context.skip(reason);
  const { web, db } = await recordedDomains();
  await using _web = web;
  await using _db = db;
  await using served = await ServedFace.start([web.pid, db.pid]);
  const command = [program.path, '--no-init-file', '-d', '1', '-c', served.uri];
  using terminal = TmuxTerminal.open(command, { columns: 90, rows: 20, environment: ['TERM=xterm'] });
  const shown = async (pattern: RegExp): Promise<string> => {
    const deadlineMs = performance.now() + SCREEN_LIMIT_MS;
    for (;;) {
      const { text } = terminal;
      if (pattern.test(text)) return text;
      if (performance.now() > deadlineMs) throw new Error(`the screen does not show ${pattern}:\n${text}`);
      await sleep(100);
    }
  };
  const screens = [
    await shown(/^2 domains, 2 active, 0 running, 0 sleeping, 2 paused.*(\n.*)*^ +\d P +0 +0 +0 +0 .* web-1$/m),
  ];
  for (const [key, pattern] of [
    ['2', new RegExp(`^ +\\d P +0 +0 +0 +0 web-1 +${TAP}$`, 'm')],
    ['3', /^ +\d P +0 +0 +0 +0 web-1 +vda$(\n.*)*^ +\d P .* web-1 +vdb$/m],
    ['1', /^PHYCPU %CPU(\n.*)*^ +0 +0\.0$/m],
  ] as const) {
    terminal.press(key);
    screens.push(await shown(pattern));
  }
  console.log(screens.join('\n'));
  terminal.press('q');
});
