import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  onTestFinished,
  type TestContext,
  vi,
} from 'vitest';
import { type Owner, Programs, startOwner, whyNoOwner } from '../bench/owner.ts';
import { ExitWatch } from '../src/host/exit-watch.ts';
import { kernelObjection } from '../src/host/kernel.ts';
import { ProcessHandle } from '../src/host/process-handle.ts';
import { readProcess } from '../src/host/processes.ts';
import { LayoutCache } from '../src/protocol/kvm-stats/layout-cache.ts';
import { Registry } from '../src/registry/registry.ts';
import { Sampler } from '../src/source/kvm/sampler.ts';
import { StatsFile } from '../src/source/kvm/stats-file.ts';
import { openStatsFiles } from '../src/source/kvm/vmm-files.ts';
import { LocalDomain } from '../src/source/local/local-domain.ts';
import { LocalFiles } from '../src/source/local/local-files.ts';
import { Threads } from '../src/source/local/threads.ts';
import type { CpuIdentity } from '../src/source/local/vcpu-paths.ts';
import { FakeMonitor } from '../src/testing/fake-monitor.ts';

/** Stats files of VMs that another process holds: made by the small program in bench/c, so no VMM is needed. */

const VCPUS = 3;
const missing = whyNoOwner() ?? kernelObjection()?.message;

let programs: Programs;
let binary: string;
const owners: Owner[] = [];

beforeAll(() => {
  programs = new Programs();
  if (missing === undefined) binary = programs.compile('owner');
});

afterAll(() => programs[Symbol.dispose]());

beforeEach((context: TestContext) => {
  if (missing !== undefined) context.skip(missing);
});

afterEach(async () => {
  for (const owner of owners.splice(0)) await owner.stop();
});

async function own(vms: number, vcpus: number): Promise<Owner> {
  const owner = await startOwner(binary, [vms, vcpus]);
  owners.push(owner);
  return owner;
}

/** Stats files and pidfds that this process holds; its pipes to the owner come and go by themselves. */
function heldFds(): readonly string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => linkOf(`/proc/self/fd/${fd}`))
    .filter((link) => /kvm|pidfd/.test(link));
}

/** Empty for the descriptor by which the directory was read. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** An empty directory as /proc: whoever looks there may list nothing. */
function withEmptyProc<T>(work: (procRoot: string) => T): T {
  const procRoot = mkdtempSync(join(tmpdir(), 'virtstat-proc-'));
  try {
    return work(procRoot);
  } finally {
    rmSync(procRoot, { recursive: true });
  }
}

describe('the stats files of another process', () => {
  it('are taken and read, and given back to the last descriptor', async () => {
    const { pid } = await own(1, VCPUS);
    const before = heldFds();
    const cache = new LayoutCache();
    const opened = openStatsFiles(pid, { cache });
    expect(opened.files).toHaveLength(1 + VCPUS);
    expect(opened.vcpus.map(({ vcpuId }) => vcpuId)).toStrictEqual([0, 1, 2]);
    expect(opened.vcpus[0]?.threadId).toBe(pid);
    const readings = opened.sample('vcpu');
    expect(readings.map(({ path }) => path)).toStrictEqual(['vcpu-0', 'vcpu-1', 'vcpu-2']);
    expect(opened.sample('vm')).toHaveLength(1);
    expect(opened.sample('vm')[0]).not.toHaveProperty('path');
    for (const target of ['vm', 'vcpu']) {
      const names = opened.stats(target)?.map(({ name }) => name);
      expect(names?.length).toBeGreaterThan(1);
      expect(opened.sample(target)[0]?.stats.map(({ name }) => name)).toStrictEqual(names);
    }
    expect(new Set(opened.files.map(({ layout }) => layout.stats)).size).toBe(2);
    expect(heldFds()).toHaveLength(before.length + 1 + VCPUS + 1);
    opened.close();
    opened.close();
    expect(heldFds()).toStrictEqual(before);
    expect(() => opened.sample('vcpu')).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });

  it('are found by trying, where they may not be listed', async () => {
    const { pid } = await own(1, VCPUS);
    const before = heldFds();
    withEmptyProc((procRoot) => {
      using opened = openStatsFiles(pid, { procRoot });
      expect(opened.sample('vcpu')).toHaveLength(VCPUS);
    });
    expect(heldFds()).toStrictEqual(before);
  });

  it('are closed as soon as it exits, and then say that the VM has gone', async () => {
    const owner = await own(1, VCPUS);
    const before = heldFds();
    const exited = Promise.withResolvers<void>();
    const opened = openStatsFiles(owner.pid, { onExit: exited.resolve });
    const [file] = opened.files;
    process.kill(owner.pid, 'SIGKILL');
    await exited.promise;
    expect(heldFds()).toStrictEqual(before);
    expect(file?.fd).toBe(-1);
    expect(opened.files).toStrictEqual([]);
    expect(() => opened.sample('vcpu')).toThrow(expect.objectContaining({ code: 'DOMAIN_GONE' }));
    expect(() => opened.rescan()).toThrow(expect.objectContaining({ code: 'DOMAIN_GONE' }));
    opened.close();
    expect(() => opened.sample('vcpu')).toThrow(expect.objectContaining({ code: 'DOMAIN_GONE' }));
    expect(() => openStatsFiles(owner.pid)).toThrow(expect.objectContaining({ code: 'DOMAIN_GONE' }));
  });

  it('never pass off the last values of a dead VM as new, also before its exit was noticed', async () => {
    const owner = await own(1, 1);
    // A watch that nobody winds: only the sample itself can notice.
    class DeafWatch extends ExitWatch {
      override watch(): () => void {
        return () => {};
      }
    }
    using opened = openStatsFiles(owner.pid, { watch: new DeafWatch() });
    expect(opened.sample('vcpu')).toHaveLength(1);
    process.kill(owner.pid, 'SIGKILL');
    await owner.stop();
    expect(opened.files[0]?.sample().stats.length).toBeGreaterThan(1);
    expect(() => opened.sample('vcpu')).toThrow(expect.objectContaining({ code: 'DOMAIN_GONE' }));
  });

  it('of a VM that exits in the middle of a sample give no sample', async () => {
    const { pid } = await own(1, 1);
    using opened = openStatsFiles(pid);
    const sample = vi.spyOn(StatsFile.prototype, 'sample').mockImplementation(function (this: StatsFile, ...time) {
      process.kill(pid, 'SIGKILL');
      using handle = new ProcessHandle(pid);
      while (handle.isAlive());
      sample.mockRestore();
      return this.sample(...time);
    });
    expect(() => opened.sample('vcpu')).toThrow(expect.objectContaining({ code: 'DOMAIN_GONE' }));
    expect(opened.files).toStrictEqual([]);
  });

  it('stay where a rescan sees that nothing has changed', async () => {
    const { pid } = await own(1, VCPUS);
    using opened = openStatsFiles(pid);
    const old = opened.files;
    opened.rescan();
    expect(opened.files).toBe(old);
    expect(opened.sample('vcpu')).toHaveLength(VCPUS);
  });

  it('are taken anew by a rescan after five minutes, without leaving the old ones open', async () => {
    const { pid } = await own(1, VCPUS);
    let nowMs = performance.now();
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    onTestFinished(() => void vi.restoreAllMocks());
    using opened = openStatsFiles(pid);
    const before = heldFds();
    const old = opened.files;
    nowMs += 299_999;
    opened.rescan();
    expect(opened.files).toBe(old);
    for (let time = 0; time < 20; time++) {
      const last = opened.files;
      nowMs += 300_000;
      opened.rescan();
      expect(opened.files).not.toBe(last);
    }
    expect(heldFds().toSorted()).toStrictEqual(before.toSorted());
    expect(old.every(({ fd }) => fd === -1)).toBe(true);
    expect(opened.sample('vcpu')).toHaveLength(VCPUS);
  });

  it('of many VMs are swept by one sampler', async () => {
    const { pid } = await own(5, 4);
    using opened = openStatsFiles(pid);
    const sampler = new Sampler(opened.files);
    sampler.sweep();
    sampler.sweep();
    expect([sampler.fileCount, sampler.failedCount]).toStrictEqual([25, 0]);
    // The vCPUs never ran and nothing moves.
    expect(new Set(sampler.deltas)).toStrictEqual(new Set([0]));
    opened.close();
    sampler.sweep();
    expect(sampler.failedCount).toBe(25);
  });
});

describe('a process without stats files', () => {
  it('says that it keeps none, and leaves nothing open', () => {
    const before = heldFds();
    expect(() => openStatsFiles(process.pid)).toThrow(
      expect.objectContaining({ code: 'STATS_FILE_NOT_KEPT', message: expect.stringContaining('no KVM vCPUs') }),
    );
    expect(heldFds()).toStrictEqual(before);
  });

  it('that does not exist is gone', () => {
    expect(() => openStatsFiles(2 ** 22 + 1)).toThrow(expect.objectContaining({ code: 'DOMAIN_GONE' }));
  });

  it('is not even looked at on a kernel where that is unsafe', () => {
    expect(() => openStatsFiles(process.pid, { kernel: { release: '6.1.42', env: {} } })).toThrow(
      expect.objectContaining({ code: 'KERNEL_UNSAFE' }),
    );
  });
});

it('without the right to trace the process, access is denied and nothing stays open', async (context) => {
  if (process.getuid?.() !== 0) return context.skip('this test gives up root');
  const { pid } = await own(1, 1);
  const script = join(mkdtempSync(join(tmpdir(), 'virtstat-denied-')), 'denied.mjs');
  const entry = join(import.meta.dirname, '../src/source/kvm/vmm-files.ts');
  writeFileSync(
    script,
    `const { openStatsFiles } = await import(${JSON.stringify(entry)});
     const { readdirSync } = await import('node:fs');
     // Once with all rights, so that everything is loaded: the package may lie where nobody else may read.
     openStatsFiles(${pid}).close();
     process.setgroups([]);
     process.setgid(65534);
     process.setuid(65534);
     const before = readdirSync('/proc/self/fd').length;
     let code;
     try {
       openStatsFiles(${pid});
     } catch (error) {
       code = error.code;
     }
     process.exitCode = readdirSync('/proc/self/fd').length - before;
     // Only now: the first line that is written opens something itself.
     console.log(code);`,
  );
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const chunks: string[] = [];
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk));
    expect(await once(child, 'close')).toStrictEqual([0, null]);
    expect(chunks.join('')).toBe('ACCESS_DENIED\n');
  } finally {
    child.kill('SIGKILL');
    rmSync(join(script, '..'), { recursive: true });
  }
});

describe('the paths of vCPUs', () => {
  const call = { signal: new AbortController().signal };
  const named = ['/a', '/b', '/c'].map((path, index) => ({ path, threadId: index }));
  let nowMs = 0;
  let cpus: () => Promise<readonly CpuIdentity[]>;

  async function open(): Promise<{ files: LocalFiles; paths: () => Promise<unknown> }> {
    const { pid } = await own(1, VCPUS);
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    const threads = new Threads(pid, {
      procRoot: '/proc',
      name: 'own',
      cpus: () => cpus(),
      iothreads: async () => [],
      filed: () => [],
    });
    const files = new LocalFiles(pid, {
      pathsOf: (vcpus, options) => threads.pathsOf(vcpus, options),
      hasExited: () => false,
    });
    onTestFinished(() => {
      files.close();
      vi.restoreAllMocks();
    });
    return { files, paths: async () => (await files.sample('vcpu', call))?.map(({ path }) => path) };
  }

  it('are asked for again after a while where nobody could name them', async () => {
    cpus = async () => [];
    const { paths } = await open();
    expect(await paths()).toStrictEqual(['vcpu-0', 'vcpu-1', 'vcpu-2']);
    cpus = async () => named;
    expect(await paths()).toStrictEqual(['vcpu-0', 'vcpu-1', 'vcpu-2']);
    nowMs += 5000;
    expect(await paths()).toStrictEqual(['/a', '/b', '/c']);
    cpus = async () => [];
    nowMs += 5000;
    expect(await paths()).toStrictEqual(['/a', '/b', '/c']);
  });

  it('are those of the files that are read, which may be looked for anew while they are asked for', async () => {
    const { promise, resolve } = Promise.withResolvers<readonly CpuIdentity[]>();
    cpus = () => promise;
    const { files, paths } = await open();
    const asked = paths();
    const before = files.vcpus();
    nowMs += 300_000;
    expect(files.vcpus()).not.toBe(before);
    resolve(named);
    expect(await asked).toStrictEqual(['/a', '/b', '/c']);
  });

  it('are of no use where the files are closed while they are asked for', async () => {
    const { promise, resolve } = Promise.withResolvers<readonly CpuIdentity[]>();
    cpus = () => promise;
    const { files, paths } = await open();
    const asked = paths();
    files.close();
    resolve(named);
    expect(await asked).toBeUndefined();
    expect(await paths()).toBeUndefined();
    expect(files.objection('vcpu')).toMatchObject({ code: 'CLOSED' });
    expect(heldFds()).toStrictEqual([]);
  });
});

it('are read though the monitor of their VM never answers', async () => {
  const { pid } = await own(1, VCPUS);
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-deaf-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'vm.qmp');
  await using monitor = await FakeMonitor.listen({ path, fault: 'never-answers' });
  const found = readProcess(pid);
  const argv = ['qemu-system-x86_64', '-name', 'deaf', '-qmp', `unix:${path},server=on`];
  const domain = new LocalDomain('deaf', { ...found!, argv }, { source: 'local:', procRoot: '/proc' });
  const source = { uri: 'local:', scan: async () => [domain], close: async () => domain.close() };
  const host = new Registry([source], { deadlineMs: 2500 });
  onTestFinished(() => host.close());
  const [answer] = await host.query({ target: 'vcpu' });
  expect(answer).toMatchObject({ errors: [], items: [{ via: 'kvm-file' }, {}, {}] });
  const startMs = performance.now();
  const [listed] = await host.list();
  expect(listed).toMatchObject({ errors: [], domain: { name: 'deaf', vcpus: VCPUS } });
  expect(listed?.items.filter(({ provider }) => provider === 'kvm')).toMatchObject([
    { target: 'vm' },
    { target: 'vcpu', via: 'kvm-file', available: true },
  ]);
  expect(performance.now() - startMs).toBeLessThan(1000);
  expect(monitor.connections).toBe(1);
});
