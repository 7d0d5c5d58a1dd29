import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import type { DomainStatsRecord, DomainStatsRequest } from '../src/protocol/libvirt/domain-stats.ts';
import { formatDomStats } from '../src/protocol/libvirt/domstats-text.ts';
import { remoteError } from '../src/protocol/libvirt/error.ts';
import type { TypedParameter } from '../src/protocol/libvirt/typed-parameter.ts';
import { FakeLibvirtd, type FakeLibvirtdOptions } from '../src/testing/fake-libvirtd.ts';
import { virtstat } from './lab/cli.ts';
import { DaemonProcess } from './lab/daemon.ts';
import { startQemu, whyNoVm } from './lab/qemu.ts';

const folder = mkdtempSync(join(tmpdir(), 'virtstat-domstats-'));
afterAll(() => rmSync(folder, { recursive: true }));

let sockets = 0;
const listen = (options: FakeLibvirtdOptions): Promise<FakeLibvirtd> =>
  FakeLibvirtd.listen({ path: join(folder, `${++sockets}.sock`), ...options });

/** One parameter of each type, and the doubles of which C and JavaScript think differently. */
const PARAMS: readonly TypedParameter[] = [
  { field: 'x.int', type: 'int', value: -(2 ** 31) },
  { field: 'x.uint', type: 'uint', value: 2 ** 32 - 1 },
  { field: 'x.llong', type: 'llong', value: -(2n ** 63n) },
  { field: 'x.ullong', type: 'ullong', value: 2n ** 64n - 1n },
  { field: 'x.yes', type: 'boolean', value: true },
  { field: 'x.no', type: 'boolean', value: false },
  { field: 'x.string', type: 'string', value: 'héllo =\t"\u001b[31m' },
  { field: 'x'.repeat(79), type: 'string', value: '' },
  ...[0, -0, 0.1, 0.0078125, 0.0234375, -0.0078125, 2.5e-7, 1e21, 1.7e308, 5e-324, Infinity, -Infinity].map(
    (value, index) => ({ field: `x.double.${index}`, type: 'double' as const, value }),
  ),
];

const record = (name: string, digit: number, id: number): DomainStatsRecord => ({
  domain: { name, uuid: `00000000-0000-4000-8000-00000000000${digit}`, id },
  params: digit === 3 ? [] : PARAMS,
});
const RECORDS = [record('alpha', 1, 7), record("o'dd 虚拟", 2, -1), record('empty', 3, 9)];

const asked = (fake: FakeLibvirtd): readonly DomainStatsRequest[] =>
  fake.calls.flatMap(({ name, args }) => (name === 'CONNECT_GET_ALL_DOMAIN_STATS' ? [args as DomainStatsRequest] : []));

describe('virtstat domstats of a VM that libvirt knows nothing of', () => {
  it('prints through every source, and through a virtstatd, what virsh prints of its face', async (context) => {
    const reason = whyNoVm();
    if (reason !== undefined) context.skip(reason);
    if (!existsSync('/usr/bin/virsh')) context.skip('virsh is not installed');
    await using vm = await startQemu({
      paused: true,
      accel: 'tcg',
      // One is the daemon's.
      qmp: 2,
      args: ['-drive', 'file.driver=null-co,file.size=4194304,format=raw,if=virtio', '-device', 'virtio-balloon'],
    });
    const runtime = join(folder, 'run');
    await using _ = await DaemonProcess.ready('-c', `qmp+unix:${vm.qmpPath}`, '--runtime-dir', runtime);
    const face = `qemu+unix:///system?socket=${runtime}/libvirt-sock-ro`;
    const groups = ['--state', '--balloon', '--block', '--iothread', '--dirtyrate', '--vm', '--vcpu', '--backing'];
    const { stdout } = await promisify(execFile)('virsh', ['-c', face, 'domstats', ...groups, vm.name]);
    expect(stdout).toContain('  block.0.name=vda\n');
    expect(stdout).toContain('  dirtyrate.calc_mode=page-sampling\n');
    for (const uri of [face, `virtstat+unix:${runtime}/varlink`]) {
      const run = await virtstat('-c', uri, 'domstats', ...groups, vm.name);
      expect([uri, run]).toEqual([uri, { status: 0, stdout, stderr: '' }]);
    }
    const paused = await virtstat('-c', 'local:', 'domstats', '--state', '--block', '--enforce', vm.uuid);
    expect(paused).toMatchObject({ status: 0, stderr: '' });
    expect(paused.stdout).toContain(
      `Domain: '${vm.name}'\n  state.state=3\n  state.reason=1\n  block.count=1\n  block.0.name=vda\n`,
    );
    const running = await virtstat('-c', `virtstat+unix:${runtime}/varlink`, 'domstats', '--list-running');
    expect(running).toEqual({ status: 0, stdout: '\n', stderr: '' });
  });

  it.each(['qmp+unix', 'virtstat+unix'])('says why nothing can be had of %s, and fails', async (scheme) => {
    const run = await virtstat('-c', `${scheme}:${folder}/none`, 'domstats');
    expect(run).toMatchObject({ status: 1, stderr: expect.stringMatching(/^virtstat: .*none.*does not exist\n$/) });
    expect(run.stdout).not.toContain('count=');
  });
});

describe('virtstat domstats', () => {
  it('prints values of every type as the real virsh does', async (context) => {
    if (!existsSync('/usr/bin/virsh')) context.skip('virsh is not installed');
    await using fake = await listen({ records: RECORDS });
    for (const words of [[], ['alpha'], ['empty', '9', 'alpha', RECORDS[1]?.domain.uuid ?? '']]) {
      const env = { ...process.env, LC_ALL: 'C.UTF-8' };
      const { stdout } = await promisify(execFile)('virsh', ['-c', fake.uri, 'domstats', ...words], { env });
      expect(stdout).toContain('x.ullong=18446744073709551615\n');
      expect(await virtstat('-c', fake.uri, 'domstats', ...words)).toEqual({ status: 0, stdout, stderr: '' });
    }
  });

  it('asks for exactly the bits that virsh asks for', async (context) => {
    if (!existsSync('/usr/bin/virsh')) context.skip('virsh is not installed');
    await using fake = await listen({ records: RECORDS });
    const help = await promisify(execFile)('virsh', ['help', 'domstats']);
    const options = [...help.stdout.matchAll(/^ {4}(--[a-z-]+)/gm)].flatMap(([, option]) => option ?? []);
    expect(options.length).toBeGreaterThan(20);
    for (const words of [[], options, ...options.map((option) => [option])]) {
      await promisify(execFile)('virsh', ['-c', fake.uri, 'domstats', ...words]);
      await virtstat('-c', fake.uri, 'domstats', ...words);
      const [theirs, ours] = asked(fake).slice(-2);
      expect([words, ours]).toEqual([words, theirs]);
    }
  });

  it('prints an empty line where no domain fits', async () => {
    await using fake = await listen({});
    expect(await virtstat('-c', fake.uri, 'domstats')).toEqual({ status: 0, stdout: '\n', stderr: '' });
  });

  it('refuses a domain that is not there, with the nearest', async () => {
    await using fake = await listen({ records: RECORDS });
    const run = await virtstat('-c', fake.uri, 'domstats', 'alpha', 'alhpa');
    expect(run).toMatchObject({ status: 3, stdout: '', stderr: expect.stringContaining('did you mean alpha?\n') });
    expect(asked(fake)).toEqual([]);
  });

  it('says what the daemon refuses, in one line', async () => {
    const error = remoteError(74, 10, 'argument unsupported:\nStats types bits 0x400');
    await using fake = await listen({
      answer: ({ name }) => (name === 'CONNECT_GET_ALL_DOMAIN_STATS' ? { error } : undefined),
    });
    const run = await virtstat('-c', fake.uri, 'domstats', '--vm', '--enforce');
    expect(run).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^virtstat: .*argument unsupported: Stats types bits 0x400.*\n$/),
    });
    expect(asked(fake)).toMatchObject([{ stats: 0x400, flags: 0x8000_0000 }]);
  });

  it('reads several connections, one after the other, each domain by the one that has it', async () => {
    await using first = await listen({ records: RECORDS.slice(0, 1) });
    await using second = await listen({ records: RECORDS.slice(1) });
    const both = ['-c', first.uri, '-c', second.uri];
    const all = await virtstat(...both, 'domstats');
    expect(all).toEqual({ status: 0, stdout: formatDomStats(RECORDS), stderr: '' });
    const mixed = await virtstat(...both, 'domstats', 'empty', 'alpha', '9');
    const listed = [2, 0, 2].flatMap((index) => RECORDS[index] ?? []);
    expect(mixed).toEqual({ status: 0, stdout: formatDomStats(listed), stderr: '' });
    first.dropAll();
    const gone = await virtstat(...both, '-c', `qemu+unix:///system?socket=${folder}/none`, 'domstats', '--state');
    expect(gone).toMatchObject({
      status: 0,
      stdout: all.stdout,
      stderr: expect.stringMatching(/^virtstat: .*none.*\n$/),
    });
  });

  it('ends at its limit', async () => {
    await using fake = await listen({ answer: ({ name }) => (name === 'AUTH_LIST' ? undefined : 'silence') });
    const run = await virtstat('-c', fake.uri, '--timeout', '200', 'domstats');
    expect(run).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('200 ms') });
  });

  it.each([
    ['a URI that is none', ['-c', 'nope']],
    ['a transport that there is not', ['-c', 'qemu+libssh://host/system']],
    ['an option that virsh has not', ['-c', 'qemu:///system', '--bogus']],
  ])('refuses %s', async (_, words) => {
    const run = await virtstat('domstats', ...words);
    expect(run).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(/^virtstat: .+\n$/) });
  });
});
