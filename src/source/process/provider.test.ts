import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OpenPlaces } from '../../host/kernel-files.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { Reading } from '../../model/sample.ts';
import { U64_MAX } from '../../model/u64.ts';
import { ProcessProvider } from './provider.ts';
import type { ThreadOf } from './thread.ts';

const PID = 4711;
const START = 987654;
const call = { signal: new AbortController().signal };
const domain = { id: 'a', name: 'a', source: 'test:' };
const places = new OpenPlaces(100);

let root: string;
let vcpus: readonly ThreadOf[];
let iothreads: readonly ThreadOf[];
let nowMs: number;
let provider: ProcessProvider;

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** `stat`, its fields numbered as the manual numbers them, with some of them replaced. */
function statText(fields: Readonly<Record<number, number | bigint | string>> = {}, name = 'CPU 0) (KVM'): string {
  const words = Array.from({ length: 52 }, (_, index) => String(index + 1));
  words[1] = `(${name})`;
  words[2] = 'S';
  words[21] = String(START);
  for (const [field, value] of Object.entries(fields)) words[Number(field) - 1] = String(value);
  return `${words.join(' ')}\n`;
}

function addThread(id: number): void {
  write(`${PID}/task/${id}/schedstat`, `${id}000 ${id}7 ${id}\n`);
  write(`${PID}/task/${id}/stat`, statText());
  write(`${PID}/task/${id}/status`, 'Name:\tx\nvoluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t4\n');
  write(
    `${PID}/task/${id}/io`,
    'rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n',
  );
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'proc-'));
  nowMs = 100_000;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  write(`${PID}/stat`, statText());
  write(
    `${PID}/status`,
    'VmPeak:\t  20 kB\nVmRSS:\t 10 kB\nvoluntary_ctxt_switches:\t8\nnonvoluntary_ctxt_switches:\t9\n',
  );
  write(`${PID}/schedstat`, '100 200 3\n');
  addThread(1);
  addThread(2);
  vcpus = [
    { path: '/machine/cpu0', threadId: 1 },
    { path: '/machine/cpu1', threadId: 2 },
  ];
  iothreads = [];
  provider = newProvider();
});

function newProvider(): ProcessProvider {
  return new ProcessProvider(
    { pid: PID, startTicks: BigInt(START) },
    {
      procRoot: root,
      places,
      threads: { vcpus: async () => vcpus, iothreads: async () => iothreads },
      hasExited: () => false,
    },
  );
}

afterEach(() => {
  provider.close();
  vi.restoreAllMocks();
  rmSync(root, { recursive: true });
  expect(places.size).toBe(0);
});

const valuesOf = (reading: Reading | undefined) =>
  Object.fromEntries((reading?.stats ?? []).map(({ name, value }) => [name, value]));
const vmValues = async (names?: readonly string[]) =>
  valuesOf((await provider.stats(domain, { target: 'vm', ...(names && { names }) }, call))[0]);

describe('a thread', () => {
  it('tells its run time, delay, ticks, faults and context switches', async () => {
    const readings = await provider.stats(domain, { target: 'vcpu' }, call);
    expect(readings.map(({ path, via }) => [path, via])).toEqual([
      ['/machine/cpu0', 'proc'],
      ['/machine/cpu1', 'proc'],
    ]);
    expect(valuesOf(readings[0])).toEqual({
      run_time: 1000n,
      run_delay: 17n,
      timeslices: 1n,
      user_time: 14n,
      system_time: 15n,
      guest_time: 43n,
      minor_faults: 10n,
      major_faults: 12n,
      processor: 39n,
      voluntary_ctxt_switches: 3n,
      nonvoluntary_ctxt_switches: 4n,
    });
    const [schema] = await provider.schemas(domain, { ...call, target: 'vcpu' });
    expect(schema?.stats.map(({ name }) => name)).toEqual(readings[0]?.stats.map(({ name }) => name));
    expect([0, 1, 2, 5].map((index) => schema?.stats[index])).toEqual([
      { name: 'run_time', type: 'cumulative', unit: 'seconds', base: 10, exponent: -9, size: 1 },
      { name: 'run_delay', type: 'cumulative', unit: 'seconds', base: 10, exponent: -9, size: 1 },
      { name: 'timeslices', type: 'cumulative', exponent: 0, size: 1 },
      { name: 'user_time', type: 'cumulative', unit: 'seconds', base: 10, exponent: -2, size: 1 },
    ]);
  });

  it('is asked for alone, with no file that nobody wants', async () => {
    const before = places.size;
    const request = { target: 'vcpu', names: ['timeslices', 'run_delay', 'other'], paths: ['/machine/cpu1'] };
    const [reading, ...others] = await provider.stats(domain, request, call);
    expect(reading).toMatchObject({ path: '/machine/cpu1', stats: [{ name: 'run_delay' }, { name: 'timeslices' }] });
    expect(others).toEqual([]);
    expect(places.size).toBe(before + 1);
  });

  it('keeps 2^64-1, and leaves out what is beyond it, cut or garbage', async () => {
    write(`${PID}/task/1/schedstat`, `${U64_MAX} 18446744073709551616 2\n`);
    write(`${PID}/task/1/stat`, '1 (x');
    write(`${PID}/task/1/status`, '\0\xff'.repeat(3000));
    const [reading] = await provider.stats(domain, { target: 'vcpu' }, call);
    expect(valuesOf(reading)).toEqual({ run_time: U64_MAX, timeslices: 2n });
  });

  it('has no scheduling times where the kernel keeps none', async () => {
    for (const id of [1, 2]) write(`${PID}/task/${id}/schedstat`, '0 0 0\n');
    const [schema] = await provider.schemas(domain, { ...call, target: 'vcpu' });
    expect(schema?.stats[0]?.name).toBe('voluntary_ctxt_switches');
  });

  it('tells how long a thread waited where the scheduler keeps that account, and only there', async () => {
    for (const id of [1, 2])
      write(`${PID}/task/${id}/sched`, `CPU ${id}/KVM (${id}, #threads: 4)\nwait_sum : ${id}.000007\n`);
    const waits = async () =>
      (await provider.stats(domain, { target: 'vcpu' }, call)).map((each) => valuesOf(each)['run_wait']);
    for (const setting of [undefined, '0\n', '1\n']) {
      if (setting !== undefined) write('sys/kernel/sched_schedstats', setting);
      provider.close();
      provider = newProvider();
      expect(await waits()).toEqual(setting === '1\n' ? [1_000_007n, 2_000_007n] : [undefined, undefined]);
    }
    const [schema] = await provider.schemas(domain, { ...call, target: 'vcpu' });
    expect(schema?.stats.at(-1)).toMatchObject({ name: 'run_wait', type: 'cumulative', unit: 'seconds', exponent: -9 });
    // Switched off, the kernel leaves the line out.
    write(`${PID}/task/1/sched`, 'CPU 0/KVM (1, #threads: 4)\n');
    write(`${PID}/task/1/schedstat`, '1000 17 8\n');
    expect(await waits()).toEqual([undefined, 2_000_007n]);
  });

  it('that was on no processor is not read again before it has been on one', async () => {
    const guest = async () => valuesOf((await provider.stats(domain, { target: 'vcpu' }, call))[0])['guest_time'];
    // What another thread told in between is not taken for its own.
    write(`${PID}/task/2/stat`, statText({ 43: 99 }));
    write(`${PID}/task/1/schedstat`, '1000 17 7\n');
    expect(await guest()).toBe(43n);
    write(`${PID}/task/1/stat`, statText({ 43: 44 }));
    expect(await guest()).toBe(43n);
    write(`${PID}/task/1/schedstat`, '1000 17 8\n');
    expect(await guest()).toBe(44n);
    // It came onto a processor eight times and left one seven times: it runs.
    write(`${PID}/task/1/stat`, statText({ 43: 45 }));
    expect(await guest()).toBe(45n);
  });

  it('that ends is left out, and one that is plugged appears', async () => {
    expect(await provider.stats(domain, { target: 'vcpu' }, call)).toHaveLength(2);
    addThread(3);
    vcpus = [vcpus[0]!, { path: '/machine/cpu2', threadId: 3 }, { path: '/machine/cpu3', threadId: 4 }];
    const readings = await provider.stats(domain, { target: 'vcpu' }, call);
    expect(readings.map(({ path }) => path)).toEqual(['/machine/cpu0', '/machine/cpu2']);
    expect(places.size).toBe(6);
  });

  it('of I/O tells also what it read and wrote', async () => {
    expect(await provider.stats(domain, { target: 'iothread' }, call)).toEqual([]);
    iothreads = [{ path: '/objects/io1', threadId: 2 }];
    const [reading] = await provider.stats(domain, { target: 'iothread' }, call);
    expect(valuesOf(reading)).toMatchObject({
      run_time: 2000n,
      rchar: 1n,
      syscw: 4n,
      write_bytes: 6n,
      cancelled_write_bytes: 7n,
    });
  });
});

describe('the process', () => {
  it('tells memory, ticks and faults of the whole, and switches of the main thread', async () => {
    expect(await vmValues()).toEqual({
      user_time: 14n,
      system_time: 15n,
      guest_time: 43n,
      minor_faults: 10n,
      major_faults: 12n,
      threads: 20n,
      virtual_memory: 23n,
      virtual_memory_peak: 20n,
      rss: 10n,
      main_thread_voluntary_ctxt_switches: 8n,
      main_thread_nonvoluntary_ctxt_switches: 9n,
      main_thread_run_time: 100n,
      main_thread_run_delay: 200n,
      main_thread_timeslices: 3n,
    });
    expect(await vmValues(['rss'])).toEqual({ rss: 10n });
  });

  it('that has exited and waits for its parent is gone', async () => {
    write(`${PID}/stat`, statText({ 23: 0 }));
    await expect(vmValues()).rejects.toMatchObject({ code: 'DOMAIN_GONE' });
    await expect(vmValues(['rss'])).rejects.toMatchObject({ code: 'DOMAIN_GONE' });
  });

  it('whose pid another one has is gone, and shows nothing of it', async () => {
    expect(await vmValues(['main_thread_run_time'])).toEqual({ main_thread_run_time: 100n });
    provider.close();
    provider = new ProcessProvider(
      { pid: PID, startTicks: 1n },
      {
        procRoot: root,
        places,
        threads: { vcpus: async () => vcpus, iothreads: async () => [] },
        hasExited: () => true,
      },
    );
    for (const target of ['vm', 'vcpu']) {
      await expect(provider.stats(domain, { target }, call)).rejects.toMatchObject({ code: 'DOMAIN_GONE' });
      await expect(provider.schemas(domain, call)).rejects.toMatchObject({ code: 'DOMAIN_GONE' });
    }
  });

  it('is not there at all', async () => {
    rmSync(join(root, String(PID)), { recursive: true });
    await expect(vmValues()).rejects.toMatchObject({ code: 'DOMAIN_GONE' });
  });

  it('closed opens nothing again', async () => {
    provider.close();
    await expect(vmValues()).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

describe('threads that nobody can tell', () => {
  const busy = new VirtstatError('MONITOR_BUSY', 'the monitor is busy');

  it('cost the process nothing, and are explained', async () => {
    const untold = new ProcessProvider(
      { pid: PID, startTicks: BigInt(START) },
      {
        procRoot: root,
        places,
        threads: { vcpus: () => Promise.reject(busy), iothreads: async () => [] },
        hasExited: () => false,
      },
    );
    try {
      expect((await untold.schemas(domain, call)).map(({ target }) => target)).toEqual(['vm']);
      await expect(untold.schemas(domain, { ...call, target: 'vcpu' })).rejects.toBe(busy);
      await expect(untold.stats(domain, { target: 'vcpu' }, call)).rejects.toBe(busy);
      expect(await untold.availability(domain, call)).toMatchObject([
        { target: 'vm', available: true },
        { target: 'vcpu', available: false, reason: 'the monitor is busy' },
        { target: 'iothread', available: false, reason: 'the VM has no I/O threads' },
      ]);
    } finally {
      untold.close();
    }
  });
});

describe('the control group', () => {
  const V2 = '30 24 0:26 / ROOT/two rw - cgroup2 cgroup2 rw\n';
  const V1 = ['cpu', 'cpuacct', 'memory']
    .map((name) => `31 24 0:27 / ROOT/one/${name} rw - cgroup cgroup rw,${name}\n`)
    .join('');
  const mount = (text: string) => write('self/mountinfo', text.replaceAll('ROOT', root));
  const ofGroup = async () =>
    Object.fromEntries(Object.entries(await vmValues()).filter(([name]) => name.startsWith('cgroup_')));

  function addTwo(group: string): void {
    write(
      `two${group}/cpu.stat`,
      'usage_usec 10\nuser_usec 7\nsystem_usec 3\nnr_periods 4\nnr_throttled 2\nthrottled_usec 5\n',
    );
    write(`two${group}/memory.current`, '4096\n');
    for (const name of ['cpu', 'memory', 'io']) {
      write(
        `two${group}/${name}.pressure`,
        'some avg10=0.00 avg60=0.00 avg300=0.00 total=6\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n',
      );
    }
  }

  function addOne(group: string): void {
    write(`one/cpuacct${group}/cpuacct.usage`, `${U64_MAX}\n`);
    write(`one/cpuacct${group}/cpuacct.stat`, 'user 8\nsystem 9\n');
    write(`one/cpu${group}/cpu.stat`, 'nr_periods 1\nnr_throttled 1\nthrottled_time 77\n');
    write(`one/memory${group}/memory.usage_in_bytes`, '8192\n');
  }

  const scaleOf = async (name: string) => {
    const [schema] = await provider.schemas(domain, { ...call, target: 'vm' });
    return schema?.stats.filter((stat) => stat.name === name).map(({ exponent }) => exponent);
  };

  it('of version 2 tells times in microseconds, throttling, memory and pressure', async () => {
    mount(V2);
    addTwo('/vm');
    write(`${PID}/cgroup`, '0::/vm\n');
    expect(await ofGroup()).toEqual({
      cgroup_cpu_time: 10n,
      cgroup_user_time: 7n,
      cgroup_system_time: 3n,
      cgroup_nr_periods: 4n,
      cgroup_nr_throttled: 2n,
      cgroup_throttled_time: 5n,
      cgroup_memory: 4096n,
      cgroup_cpu_pressure_some: 6n,
      cgroup_cpu_pressure_full: 1n,
      cgroup_memory_pressure_some: 6n,
      cgroup_memory_pressure_full: 1n,
      cgroup_io_pressure_some: 6n,
      cgroup_io_pressure_full: 1n,
      cgroup_own: false,
    });
    expect(await scaleOf('cgroup_cpu_time')).toEqual([-6]);
  });

  it('of version 1 tells times in nanoseconds and ticks', async () => {
    mount(V1);
    addOne('/vm');
    write(`${PID}/cgroup`, '3:cpuacct:/vm\n2:cpu:/vm\n1:memory:/vm/emulator\n');
    expect(await ofGroup()).toEqual({
      cgroup_cpu_time: U64_MAX,
      cgroup_user_time: 8n,
      cgroup_system_time: 9n,
      cgroup_nr_periods: 1n,
      cgroup_nr_throttled: 1n,
      cgroup_throttled_time: 77n,
      cgroup_memory: 8192n,
      cgroup_own: false,
    });
    expect(await scaleOf('cgroup_cpu_time')).toEqual([-9]);
    expect(await scaleOf('cgroup_user_time')).toEqual([-2]);
  });

  it.each([
    ['/machine.slice/machine-qemu\\x2d1\\x2dweb.scope', '/libvirt/emulator'],
    ['/machine/qemu-1-web.libvirt-qemu', '/emulator'],
  ])('is the VM’s own where libvirt made it: %s', async (group, below) => {
    mount(V2);
    addTwo(group);
    write(`${PID}/cgroup`, `0::${group}${below}\n`);
    expect(await ofGroup()).toMatchObject({ cgroup_cpu_time: 10n, cgroup_own: true });
  });

  it('of both versions tells each statistic once', async () => {
    mount(V1 + V2);
    addOne('/vm');
    addTwo('/vm');
    write('two/vm/cpu.stat', 'usage_usec 10\nuser_usec 7\nsystem_usec 3\n');
    rmSync(join(root, 'two/vm/memory.current'));
    write(`${PID}/cgroup`, '3:cpuacct:/vm\n2:cpu:/vm\n1:memory:/vm\n0::/vm\n');
    expect(await ofGroup()).toMatchObject({ cgroup_cpu_time: 10n, cgroup_throttled_time: 77n, cgroup_memory: 8192n });
    expect(await scaleOf('cgroup_cpu_time')).toEqual([-6]);
    expect(await scaleOf('cgroup_throttled_time')).toEqual([-9]);
  });

  it.each([
    ['the root', '0::/\n'],
    ['none', ''],
    ['one that is not there', '0::/elsewhere\n'],
  ])('is %s: the process tells the rest', async (_, cgroup) => {
    mount(V2);
    addTwo('');
    write(`${PID}/cgroup`, cgroup);
    expect(await ofGroup()).toEqual({});
    expect(await vmValues()).toMatchObject({ rss: 10n });
  });

  it('is followed where the process is moved, and forgotten where it vanishes', async () => {
    mount(V2);
    addTwo('/a');
    addTwo('/b');
    write('two/b/memory.current', '5\n');
    write(`${PID}/cgroup`, '0::/a\n');
    expect(await ofGroup()).toMatchObject({ cgroup_memory: 4096n });
    write(`${PID}/cgroup`, '0::/b\n');
    nowMs += 5000;
    expect(await ofGroup()).toMatchObject({ cgroup_memory: 5n });
    rmSync(join(root, 'two'), { recursive: true });
    write(`${PID}/cgroup`, '0::/c\n');
    nowMs += 5000;
    expect(await ofGroup()).toEqual({});
  });
});
