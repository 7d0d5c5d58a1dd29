import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { COUNT, describeStat } from '../../model/describe.ts';
import type { Domain } from '../../model/domain.ts';
import type { FoundDomain, MonitorRelay, Provider, Source } from '../../model/provider.ts';
import type { StatValue } from '../../model/sample.ts';
import * as classic from '../../protocol/libvirt/classic-procedures.ts';
import * as constants from '../../protocol/libvirt/constants.ts';
import { encodeMessage } from '../../protocol/libvirt/message.ts';
import type { Procedure } from '../../protocol/libvirt/procedure.ts';
import * as procedures from '../../protocol/libvirt/procedures.ts';
import { Registry } from '../../registry/registry.ts';
import { LibvirtConnection } from '../../source/libvirt/connection.ts';
import type { FaceContext, Reader } from '../face.ts';
import { LibvirtFace } from './face.ts';

const UUID = '11111111-2222-4333-8444-555555555555';
const DISK = '/machine/peripheral/disk0/virtio-backend';
const NIC = '/machine/peripheral/net0';

/** What each provider and target of the test says. */
const VALUES: Readonly<Record<string, Readonly<Record<string, StatValue>>>> = {
  'state vm': { state: 3n, reason: 1n, vcpu_current: 1n, vcpu_maximum: 2n, memory_maximum: 2n ** 25n },
  'process vm': { cpu_time: 5n },
  'balloon vm': { 'balloon-size': 2n ** 24n, 'last-update': 7n, 'stat-free-memory': 2048n },
  'kvm vcpu': { exits: 2n ** 63n },
  'block block': { rd_operations: 1n, rd_bytes: 512n, rd_total_time_ns: 9n, capacity: 2n ** 24n },
  'interface interface': { rx_bytes: 90n, tx_packets: 2n },
};
const PATHS: Readonly<Record<string, string>> = { vcpu: '/cpu0', block: DISK, interface: NIC };

/** Domains `web` and `db`; what they measure may be made to hang. */
class TestSource implements Source {
  readonly uri = 'test:';
  readonly domains: Domain[] = [
    { id: 'a', name: 'web', uuid: UUID, source: this.uri },
    { id: 'b', name: "d<b>'", source: this.uri },
  ];
  hangs: string | undefined;
  readonly questions: string[] = [];
  collections = 0;

  readonly monitor: MonitorRelay = {
    ask: async (question, args) => {
      this.questions.push(question);
      if (args?.['property'] === 'mac') return args['path'] === NIC ? '52:54:00:12:34:56' : 7;
      if (args?.['path'] === NIC) return 'virtio-net-pci';
      const inserted = { 'node-name': 'libvirt-2-format', file: '/images/a&b.qcow2', drv: 'qcow2', ro: false };
      return question === 'query-block'
        ? [{ device: '', qdev: DISK, removable: false, inserted }]
        : 'virtio-blk-device';
    },
  };

  async scan(): Promise<readonly FoundDomain[]> {
    return this.domains.map((domain) => ({
      domain,
      monitor: this.monitor,
      providers: async () =>
        [...new Set(Object.keys(VALUES).map((key) => key.split(' ')[0] as string))].map((name) => this.#provider(name)),
      describe: async () => ({ ...domain, vmm: { name: 'QEMU', version: '7.2.22' } }),
      availability: async () => [],
    }));
  }

  async close(): Promise<void> {}

  #provider(name: string): Provider {
    const targets = Object.keys(VALUES).flatMap((key) =>
      key.startsWith(`${name} `) ? key.slice(name.length + 1) : [],
    );
    return {
      name,
      targets,
      schemas: async () =>
        targets.map((target) => ({
          provider: name,
          target,
          stats: Object.keys(VALUES[`${name} ${target}`] ?? {}).map((stat) => describeStat(stat, 'cumulative', COUNT)),
        })),
      stats: async (domain, { target }) => {
        this.collections++;
        if (this.hangs === domain.id) await new Promise(() => undefined);
        const path = PATHS[target];
        const stats = Object.entries(VALUES[`${name} ${target}`] ?? {}).map(([stat, value]) => ({ name: stat, value }));
        const collectedAtNs = BigInt(Date.now()) * 1_000_000n;
        return [{ ...(path && { path }), ...(path === NIC && { device: 'tap0' }), via: 'test', collectedAtNs, stats }];
      },
    };
  }
}

let folder: string;
let source: TestSource;
let registry: Registry;
let face: LibvirtFace;
let connection: LibvirtConnection;
const warnings: [string, unknown][] = [];
let mayRead: (domain: Domain) => boolean | 'partly';

/** Only what the test lets through. */
function reader(): Reader {
  const only = <T extends { readonly domain: Domain }>(answers: readonly T[]): readonly T[] =>
    answers.filter(({ domain }) => mayRead(domain) !== false);
  return {
    domains: async (options) => only(await registry.present(options)).map(({ domain }) => domain),
    list: async (options) => only(await registry.list(options)),
    schemas: async (options) => only(await registry.schemas(options)),
    query: async (filter, options) => only(await registry.query(filter, options)),
    readsAllOf: (domain) => mayRead(domain) === true,
  };
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-face-'));
  warnings.length = 0;
  mayRead = () => true;
  source = new TestSource();
  registry = new Registry([source], { deadlineMs: 1000 });
  face = new LibvirtFace({ monitors: registry, maxStallMs: 300 });
  const context: FaceContext = {
    runtimeDir: folder,
    sockets: { mode: 0o666 },
    domains: { current: source.domains, subscribe: () => () => undefined },
    log: { info: () => undefined, warn: (facts, message) => void warnings.push([message, facts]) },
    activated: () => undefined,
    isToken: () => false,
    readerFor: reader,
  };
  await face.listen(context);
  connection = await LibvirtConnection.open(`qemu+unix:///system?socket=${folder}/libvirt-sock-ro`);
});

afterEach(async () => {
  await connection.close();
  await face.close();
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

/** `FIELD=VALUE` of one domain. */
async function fields(stats: number, name = 'web'): Promise<readonly string[]> {
  const records = await connection.getAllDomainStats(stats);
  const record = records.find(({ domain }) => domain.name === name);
  return record?.params.map(({ field, value }) => `${field}=${value}`) ?? [];
}

describe('to a client of libvirt', () => {
  it('domains have names, numbers and uuids, also those without one', async () => {
    const domains = await connection.listAllDomains();
    expect(domains.map(({ name, id }) => [name, id])).toEqual([
      ['web', 1],
      ["d<b>'", 2],
    ]);
    const [web, db] = domains;
    expect([web?.uuid, db?.uuid]).toEqual([UUID, expect.stringMatching(/^.{14}5/)]);
    expect((await connection.lookupByID(2)).uuid).toBe(db?.uuid);
    expect((await connection.lookupByName('web')).id).toBe(1);
    expect((await connection.lookupByUUIDString(UUID)).name).toBe('web');
    await expect(connection.lookupByName('nope')).rejects.toMatchObject({
      errorCode: 42,
      errorDomain: 10,
      errorMessage: "Domain not found: no domain with matching name 'nope'",
    });
    await expect(connection.lookupByID(9)).rejects.toMatchObject({ errorCode: 42 });
  });

  it('the host and the driver introduce themselves', async () => {
    expect(await connection.getType()).toBe('QEMU');
    expect(await connection.getVersion()).toBe(7_002_022);
    expect(await connection.getURI()).toBe('qemu:///system');
    expect(await connection.getHostname()).not.toBe('');
    const { model, cpus, memoryKib, nodes, sockets, cores, threads } = await connection.call(
      classic.NODE_GET_INFO,
      undefined,
    );
    expect([model !== '', cpus > 0, memoryKib > 1000n]).toEqual([true, true, true]);
    expect(nodes * sockets * cores * threads).toBeGreaterThanOrEqual(cpus);
    const { map, present } = await connection.call(classic.NODE_GET_CPU_MAP, { needMap: 1, needOnline: 1, flags: 0 });
    expect([...map].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)).toBe(present);
  });

  it('bulk statistics come by groups', async () => {
    const all = await fields(0);
    expect(all).toEqual([
      'state.state=3',
      'state.reason=1',
      'cpu.time=5',
      'balloon.current=16384',
      'balloon.maximum=32768',
      'balloon.unused=2',
      'balloon.last-update=7',
      'vcpu.current=1',
      'vcpu.maximum=2',
      'vcpu.0.state=1',
      `vcpu.0.exits.sum=${2n ** 63n}`,
      'net.count=1',
      'net.0.name=tap0',
      'net.0.rx.bytes=90',
      'net.0.tx.pkts=2',
      'block.count=1',
      'block.0.name=vda',
      'block.0.path=/images/a&b.qcow2',
      'block.0.backingIndex=2',
      'block.0.rd.reqs=1',
      'block.0.rd.bytes=512',
      'block.0.rd.times=9',
      'block.0.capacity=16777216',
    ]);
    expect(await fields(constants.VIR_DOMAIN_STATS_STATE)).toEqual(all.slice(0, 2));
    expect(await fields(constants.VIR_DOMAIN_STATS_PERF | constants.VIR_DOMAIN_STATS_MEMORY)).toEqual([]);
    expect(await fields(1 << 20)).toEqual([]);
    expect(await fields(2 ** 31)).toContain('virtstat.vm.process.0.stat.cpu_time=5');
  });

  it('a list has its order, its doubles and its gaps', async () => {
    const [web, db] = await connection.listAllDomains();
    if (web === undefined || db === undefined) throw new Error('two domains');
    const asked = [db, web, db].map(({ uuid }) => ({ name: 'old name', uuid, id: 77 }));
    const unknown = { name: 'web', uuid: '00000000-0000-4000-8000-000000000000', id: 1 };
    const records = await connection.call(procedures.CONNECT_GET_ALL_DOMAIN_STATS, {
      domains: [...asked, unknown],
      stats: 1,
      flags: 0,
    });
    expect(records.map(({ domain: { name, id } }) => [name, id])).toEqual([
      [db.name, 2],
      ['web', 1],
      [db.name, 2],
    ]);
    const gone = { domains: [unknown], stats: 1, flags: 0 };
    expect(await connection.call(procedures.CONNECT_GET_ALL_DOMAIN_STATS, gone)).toEqual([]);
  });

  it('filters are those of libvirt, and what is none is refused in its words', async () => {
    const counts = [0x01, 0x02, 0x03, 0x04, 0x08, 0x0c, 0x10, 0x20, 0x40, 0x80, 0x30, 0x22].map(async (flags) => {
      const records = await connection.getAllDomainStats(1, flags);
      const domains = await connection.listAllDomains(flags);
      expect(domains.length).toBe(records.length);
      return records.length;
    });
    expect(await Promise.all(counts)).toEqual([2, 0, 2, 0, 2, 2, 0, 2, 0, 0, 2, 0]);
    const how = [
      constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT,
      constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING,
    ];
    for (const flag of how) expect(await connection.getAllDomainStats(0, flag)).toHaveLength(2);
    await expect(connection.getAllDomainStats(0, 0x100)).rejects.toMatchObject({
      errorCode: 8,
      errorDomain: 10,
      errorMessage: 'unsupported flags (0x100) in function qemuConnectGetAllDomainStats',
    });
    const enforced = constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS;
    expect(await connection.getAllDomainStats(0x7ff, enforced)).toHaveLength(2);
    await expect(connection.getAllDomainStats(0x10_0001, enforced)).rejects.toMatchObject({
      errorCode: 74,
      errorDomain: 10,
      errorMessage: 'argument unsupported: Stats types bits 0x100000 are not supported by this daemon or QEMU',
    });
    for (const [flags, count] of [
      [0x200, 2],
      [0x100, 0],
      [0x400, 0],
      [0x800, 2],
      [0x2000, 2],
      [0x4000, 0],
    ] as const) {
      expect(await connection.listAllDomains(flags)).toHaveLength(count);
    }
    await expect(connection.listAllDomains(0x1_0000)).rejects.toMatchObject({ errorCode: 8 });
  });

  it('one domain can be asked in the ways of old', async () => {
    const { name, uuid, id } = await connection.lookupByName('web');
    const domain = { name, uuid, id };
    expect(await connection.call(procedures.CONNECT_NUM_OF_DOMAINS, undefined)).toBe(2);
    expect(await connection.call(procedures.CONNECT_LIST_DOMAINS, 1)).toEqual([1]);
    expect(await connection.call(procedures.CONNECT_NUM_OF_DEFINED_DOMAINS, undefined)).toBe(0);
    expect(await connection.call(procedures.CONNECT_LIST_DEFINED_DOMAINS, 9)).toEqual([]);
    expect(await connection.call(procedures.DOMAIN_GET_STATE, { domain, flags: 0 })).toEqual({ state: 3, reason: 1 });
    expect(await connection.call(procedures.DOMAIN_GET_INFO, domain)).toEqual({
      state: 3,
      maxMemoryKib: 32_768n,
      memoryKib: 16_384n,
      vcpus: 1,
      cpuTimeNs: 5n,
    });
    for (const path of ['vda', '/images/a&b.qcow2']) {
      expect(await connection.call(classic.DOMAIN_BLOCK_STATS, { domain, path })).toEqual({
        readRequests: 1n,
        readBytes: 512n,
        writeRequests: -1n,
        writeBytes: -1n,
        errors: -1n,
      });
    }
    const disk = { domain, path: 'vda', flags: 0 };
    expect(await connection.call(classic.DOMAIN_BLOCK_STATS_FLAGS, { ...disk, maxParameters: 0 })).toEqual({
      params: [],
      count: 3,
    });
    expect((await connection.call(classic.DOMAIN_BLOCK_STATS_FLAGS, { ...disk, maxParameters: 16 })).params).toEqual([
      { field: 'rd_bytes', type: 'llong', value: 512n },
      { field: 'rd_operations', type: 'llong', value: 1n },
      { field: 'rd_total_times', type: 'llong', value: 9n },
    ]);
    expect(await connection.call(classic.DOMAIN_GET_BLOCK_INFO, disk)).toMatchObject({ capacity: 2n ** 24n });
    expect(await connection.call(classic.DOMAIN_INTERFACE_STATS, { domain, path: 'tap0' })).toMatchObject({
      rxBytes: 90n,
      txPackets: 2n,
      txBytes: -1n,
    });
    for (const call of [classic.DOMAIN_BLOCK_STATS, classic.DOMAIN_INTERFACE_STATS]) {
      const asked = connection.call(call as Procedure<{ domain: typeof domain; path: string }, unknown>, {
        domain,
        path: 'no',
      });
      await expect(asked).rejects.toMatchObject({ errorCode: 8, errorDomain: 10 });
    }
    expect(await connection.call(classic.DOMAIN_MEMORY_STATS, { domain, maxStats: 2, flags: 0 })).toEqual([
      { tag: 4, value: 2n },
      { tag: 9, value: 7n },
    ]);
    expect(await connection.call(classic.DOMAIN_GET_VCPUS, { domain, maxVcpus: 5, mapBytes: 1 })).toMatchObject({
      vcpus: [{ number: 0, state: 1, hostCpu: -1 }],
    });
    expect(await connection.call(classic.DOMAIN_GET_VCPUS_FLAGS, { domain, flags: 4 })).toBe(2);
    expect(await connection.call(classic.DOMAIN_IS_ACTIVE, domain)).toBe(1);
  });

  it('the definition has what monitors look for, whatever characters are in it', async () => {
    const { name, uuid, id } = await connection.lookupByName("d<b>'");
    const domain = { name, uuid, id };
    const xml = await connection.call(procedures.DOMAIN_GET_XML_DESC, { domain, flags: 0 });
    expect(xml).toContain('<name>d&lt;b&gt;&apos;</name>');
    expect(xml).toContain(`<uuid>${uuid}</uuid>`);
    expect(xml).toContain(`<vcpu placement='static' current='1'>2</vcpu>`);
    expect(xml).toContain(`<source file='/images/a&amp;b.qcow2' index='2'/>\n      <target dev='vda' bus='virtio'/>`);
    expect(xml).toContain(
      `<mac address='52:54:00:12:34:56'/>\n      <target dev='tap0'/>\n      <model type='virtio'/>`,
    );
    const secure = connection.call(procedures.DOMAIN_GET_XML_DESC, { domain, flags: 1 });
    await expect(secure).rejects.toMatchObject({
      errorCode: 29,
      errorDomain: 20,
      errorMessage: 'operation forbidden: virDomainGetXMLDesc with secure flag',
    });
  });

  it('events may be asked for, and none come', async () => {
    await connection.call(procedures.CONNECT_DOMAIN_EVENT_REGISTER_ANY, 0);
    await connection.call(procedures.CONNECT_DOMAIN_EVENT_DEREGISTER_ANY, 0);
    expect(warnings).toEqual([]);
  });

  it('nothing can be changed', async () => {
    const define = (number: number) => ({ ...procedures.CONNECT_GET_TYPE, number }) as Procedure<void, unknown>;
    const refused: readonly (readonly [procedure: number, name: string])[] = [
      [33, 'virDomainShutdown'],
      [277, 'virDomainGetHostname'],
      [308, 'virDomainSetMemoryStatsPeriod'],
      [451, 'virDomainSetThrottleGroup'],
    ];
    for (const [number, name] of refused) {
      await expect(connection.call(define(number), undefined)).rejects.toMatchObject({
        errorCode: 29,
        errorDomain: 20,
        errorMessage: `operation forbidden: read only access prevents ${name}`,
      });
    }
    await expect(connection.call(define(298), undefined)).rejects.toMatchObject({
      errorCode: 39,
      errorMessage: 'unknown procedure: 298',
    });
    expect(warnings).toMatchObject([['a client called a procedure that is not served', { procedure: 298 }]]);
    expect(source.questions.filter((question) => !['query-block', 'qom-get'].includes(question))).toEqual([]);
  });
});

describe('rules', () => {
  it('hide domains that are not the caller’s', async () => {
    mayRead = ({ name }) => name === 'web';
    expect((await connection.listAllDomains()).map(({ name }) => name)).toEqual(['web']);
    expect(await connection.getAllDomainStats()).toHaveLength(1);
    await expect(connection.lookupByName("d<b>'")).rejects.toMatchObject({ errorCode: 42 });
    await expect(connection.lookupByID(2)).rejects.toMatchObject({ errorCode: 42 });
  });

  it('hide where images lie from those who have only some providers', async () => {
    mayRead = () => 'partly';
    expect(await fields(constants.VIR_DOMAIN_STATS_BLOCK)).toContain('block.0.name=vda');
    expect((await fields(constants.VIR_DOMAIN_STATS_BLOCK)).join()).not.toContain('/images');
    const { name, uuid, id } = await connection.lookupByName('web');
    const definition = { domain: { name, uuid, id }, flags: 0 };
    const xml = await connection.call(procedures.DOMAIN_GET_XML_DESC, definition);
    expect([xml.includes('tap0'), xml.includes('52:54'), xml.includes('/images')]).toEqual([true, false, false]);
  });
});

describe('bounds', () => {
  it('many who ask cost what one costs', async () => {
    await connection.getAllDomainStats();
    const before = source.collections;
    await Promise.all(Array.from({ length: 50 }, () => connection.getAllDomainStats()));
    expect(source.collections).toBe(before);
  });

  it('a domain that hangs keeps the others from nothing', async () => {
    const whole = await fields(0);
    expect((await fields(2 ** 31)).join()).not.toContain('stale');
    await sleep(1100);
    source.hangs = 'a';
    const startedMs = performance.now();
    expect(await fields(0)).toEqual(whole);
    expect(performance.now() - startedMs).toBeLessThan(500);
    expect((await fields(2 ** 31)).join()).toMatch(/virtstat\.vcpu\.kvm\.0\.stale=\d{9,}/);
  });

  /** A client of bytes. */
  const raw = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(join(folder, 'libvirt-sock-ro'), () => resolve(socket)).once('error', reject);
    });
  const encode = <A>({ number, args }: Procedure<A, unknown>, value: A, serial = 0): Uint8Array =>
    encodeMessage({ program: 0x2000_8086, version: 1, procedure: number, type: 0, serial, status: 0 }, args, value);
  const OPEN = encode(procedures.CONNECT_OPEN, { name: 'qemu:///system', flags: 1 });
  const BULK = encode(procedures.CONNECT_GET_ALL_DOMAIN_STATS, { domains: [], stats: 0, flags: 0 });

  it('10,000 calls at once are answered, a few at a time', async () => {
    const socket = await raw();
    let received = 0;
    socket.on('data', (chunk) => (received += chunk.length));
    const type = encode(procedures.CONNECT_GET_TYPE, undefined);
    socket.write(Buffer.concat([OPEN, ...Array.from({ length: 10_000 }, () => type)]));
    // 28 bytes of header, length and text.
    await vi.waitFor(() => expect(received).toBe(28 + 10_000 * 36), { timeout: 10_000 });
    socket.destroy();
  });

  it('a client that does not read is dropped, and said to be', async () => {
    const socket = await raw();
    socket.pause();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    socket.write(OPEN);
    const calls = Buffer.concat(Array.from({ length: 5000 }, () => BULK));
    socket.write(calls);
    await vi.waitFor(() => expect(warnings.map(([message]) => message).join()).toMatch(/did not read for 300 ms/), {
      timeout: 10_000,
    });
    socket.resume();
    await closed;
    expect(await connection.getAllDomainStats()).toHaveLength(2);
  });

  it.each<[string, Uint8Array]>([
    ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a length of nothing', Buffer.alloc(4)],
    ['the greatest length', Buffer.alloc(4, 0xff)],
    ['a length below the header’s', Buffer.from([0, 0, 0, 27])],
  ])('%s ends its own connection only', async (_what, bytes) => {
    const socket = await raw();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined).resume();
    socket.write(bytes);
    await closed;
    expect(await connection.getType()).toBe('QEMU');
  });

  it('half a header waits, a quiet end gets its answer', async () => {
    const half = await raw();
    half.write(OPEN.subarray(0, 14));
    const quiet = await raw();
    const ended = new Promise<number>((resolve) => {
      let received = 0;
      quiet.on('data', (chunk) => (received += chunk.length)).once('end', () => resolve(received));
    });
    quiet.end(Buffer.concat([OPEN, encode(procedures.CONNECT_GET_TYPE, undefined)]));
    expect(await ended).toBe(28 + 36);
    half.destroy();
  });
});
