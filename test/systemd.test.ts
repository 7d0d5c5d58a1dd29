import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from './lab/listening-socket.ts';
import { Systemd, whyNoSystemd } from './lab/systemd.ts';

/** The units as they are shipped, under a systemd of their own: what a unit file promises only a service manager can show. */

const reason = whyNoSystemd();
const READER = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', '--'] as const;
const VIRTSTAT = ['node', '/opt/checkout/bin/virtstat.cjs', '-c', 'virtstat+unix:/run/virtstat/varlink'] as const;
const UNIT = 'virtstatd.service';
const POLL = { timeout: 20_000, interval: 200 };

let systemd: Systemd;

beforeAll(async () => {
  if (reason === undefined) systemd = await Systemd.boot();
});
afterAll(async () => {
  await systemd?.[Symbol.asyncDispose]();
});
beforeEach((context) => {
  if (reason !== undefined) context.skip(reason);
});

const CONFIG = '/etc/virtstat/virtstat.toml';
const FOR_NOBODY = '[[access]]\nusers = ["nobody"]\ndomains = ["*"]\n';

/** Puts the configuration in its place. */
const configure = (lines: string) => systemd.ok('sh', '-c', `printf '%s' "$1" > ${CONFIG}`, 'sh', lines);

const vms = async () => JSON.parse(await systemd.ok(...READER, ...VIRTSTAT, 'list', '--json')) as { name: string }[];

describe('the units under systemd', () => {
  it('make the user, and the first reader starts the daemon', async () => {
    await systemd.ok('systemd-sysusers');
    await systemd.ok('mkdir', '-p', '/etc/virtstat');
    await systemd.ok('systemctl', 'enable', '--now', 'virtstatd-varlink.socket', 'virtstatd-libvirt.socket');
    expect(await systemd.show(UNIT, 'ActiveState')).toEqual({ ActiveState: 'inactive' });
    // A VM of another user, whose monitor is not for ours.
    const qemu = ['-name', 'of-nobody', '-machine', 'none', '-nodefaults', '-display', 'none', '-S'];
    await systemd.ok('systemd-run', '--unit=vm', '--uid=nobody', 'qemu-system-x86_64', ...qemu);
    // Without a rule for them, readers are told whom to ask; the list is empty all the same.
    for (const verb of ['list', 'domstats']) {
      const unruled = await systemd.ok('sh', '-c', '"$@" 2>&1', 'sh', ...READER, ...VIRTSTAT, verb);
      expect(unruled.trim()).toBe(
        'virtstat: no virtual machine was found at virtstat+unix:/run/virtstat/varlink; ' +
          'a virtstatd shows those that its rules ([[access]]) let you read',
      );
    }
    await configure(FOR_NOBODY);
    await systemd.ok('systemctl', 'reload', UNIT);
    await expect.poll(vms, POLL).toMatchObject([{ name: 'of-nobody' }]);
    expect(await systemd.show(UNIT, 'ActiveState', 'Type', 'User', 'NRestarts')).toEqual({
      ActiveState: 'active',
      Type: 'notify',
      User: 'virtstat',
      NRestarts: '0',
    });
  });

  it('let it read processes of others, and take every other right away', async () => {
    const text = await systemd.ok(...READER, ...VIRTSTAT, 'query', 'vm', 'cpu_time,read_bytes,rss', '--json');
    const [{ stats = [] } = {}] = JSON.parse(text) as { stats?: { name: string }[] }[];
    // How much it has read may be seen only with the right to trace it.
    expect(stats.map(({ name }) => name).toSorted()).toEqual(['cpu_time', 'read_bytes', 'rss']);
    const { MainPID } = await systemd.show(UNIT, 'MainPID');
    const status = await systemd.ok('cat', `/proc/${MainPID}/status`);
    // CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE.
    for (const set of ['CapEff', 'CapBnd', 'CapAmb']) expect(status).toMatch(new RegExp(`^${set}:\\s0*80004$`, 'm'));
    expect(status).toMatch(/^NoNewPrivs:\s1$/m);
    expect(status).toMatch(/^Seccomp:\s2$/m);
    const enter = ['nsenter', `--target=${MainPID}`, '--mount', '--', 'sh', '-c'];
    expect((await systemd.run(...enter, 'echo > /etc/virtstat-was-here')).text).toContain('Read-only file system');
    expect((await systemd.run(...enter, 'ls /dev/kvm')).status).not.toBe(0);
    await systemd.ok(...enter, 'test -w /run/virtstat -a -w /var/lib/virtstat');
  });

  it('keep it while it is reloaded, and reload nothing that is wrong', async () => {
    const before = await systemd.show(UNIT, 'MainPID');
    await configure(`timeout = "1s"\n${FOR_NOBODY}`);
    await systemd.ok('systemctl', 'reload', UNIT);
    expect(await vms()).toHaveLength(1);
    await configure(`timeout = "never"\n`);
    await systemd.run('systemctl', 'reload', UNIT);
    expect(await vms()).toHaveLength(1);
    await configure(FOR_NOBODY);
    expect(await systemd.show(UNIT, 'MainPID')).toEqual(before);
  });

  it('bring it back when it is killed and when it hangs, and its readers wait meanwhile', async () => {
    for (const [signal, result] of [
      ['SIGKILL', 'signal'],
      ['SIGSTOP', 'watchdog'],
    ]) {
      const { NRestarts } = await systemd.show(UNIT, 'NRestarts');
      await systemd.ok('systemctl', 'kill', '--kill-whom=main', `--signal=${signal}`, UNIT);
      await expect
        .poll(async () => (await systemd.show(UNIT, 'NRestarts')).NRestarts, POLL)
        .toBe(String(Number(NRestarts) + 1));
      const journal = await systemd.ok('journalctl', '--no-pager', `--unit=${UNIT}`, '--output=cat');
      expect(journal).toContain(`Failed with result '${result}'`);
      expect(await vms()).toHaveLength(1);
    }
  });

  it('end it in order, and start it again for the next reader', async () => {
    await systemd.ok('systemctl', 'stop', UNIT);
    expect(await systemd.show(UNIT, 'ActiveState', 'Result', 'ExecMainStatus')).toEqual({
      ActiveState: 'inactive',
      Result: 'success',
      ExecMainStatus: '0',
    });
    const virsh = await systemd.ok(
      ...[...READER, 'virsh', '-r', '-c', 'qemu+unix:///system?socket=/run/virtstat/libvirt-sock-ro'],
      ...['list', '--name'],
    );
    expect(virsh).toBe('of-nobody');
    expect(await systemd.show(UNIT, 'ActiveState')).toEqual({ ActiveState: 'active' });
  });

  it('start it for the first scrape, too', async () => {
    await systemd.ok('systemctl', 'stop', UNIT);
    const port = await freePort();
    // The network is that of the host, where the port that is shipped may be taken.
    const dropIn = '/etc/systemd/system/virtstatd-http.socket.d';
    const lines = `[Socket]\nListenStream=\nListenStream=127.0.0.1:${port}\n`;
    await systemd.ok('sh', '-c', `mkdir -p ${dropIn} && printf '%s' "$1" > ${dropIn}/port.conf`, 'sh', lines);
    await systemd.ok('systemctl', 'daemon-reload');
    await systemd.ok('systemctl', 'enable', '--now', 'virtstatd-http.socket');
    expect(await systemd.show(UNIT, 'ActiveState')).toEqual({ ActiveState: 'inactive' });
    const scrape = `fetch('http://127.0.0.1:${port}/metrics').then((answer) => answer.text()).then(console.log)`;
    const page = await systemd.ok(...READER, 'node', '-e', scrape);
    expect(page).toMatch(/^virtstat_process_vm_cpu_time_seconds_total\{domain="of-nobody"\} /m);
    expect(await systemd.show(UNIT, 'ActiveState')).toEqual({ ActiveState: 'active' });
  });
});
