import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { RawHmp } from './hmp.ts';
import { guestRuns, hasKvm, newerQemuRoot, qemuVersion, startQemu, whyNoVm } from './qemu.ts';
import { RawQmp } from './qmp.ts';

const DEMO = new URL('../../demo/', import.meta.url).pathname;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The text of `info stats vcpu` of one vCPU, after the pause that its counters need to move. */
async function statsOfVcpu(monitor: RawHmp, index: number): Promise<string> {
  await monitor.command(`cpu ${index}`);
  return monitor.command('info stats vcpu');
}

function scalar(text: string, name: string): number {
  return Number(new RegExp(`^\\s*${name} \\([^)]*\\): (\\d+)\\r$`, 'm').exec(text)?.[1]);
}

describe('the guest', () => {
  it('is what its source assembles to', (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'virtstat-guest-'));
    try {
      const object = join(folder, 'guest.o');
      const binary = join(folder, 'guest.bin');
      try {
        execFileSync('gcc', ['-m32', '-c', join(DEMO, 'guest.S'), '-o', object]);
        execFileSync('ld', ['-m', 'elf_i386', '-Ttext', '0', '--oformat', 'binary', object, '-o', binary]);
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') context.skip('gcc is not installed');
        throw error;
      }
      expect(readFileSync(binary).equals(readFileSync(join(DEMO, 'guest.bin')))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is a boot sector', () => {
    const bytes = readFileSync(join(DEMO, 'guest.bin'));
    expect(bytes.length).toBe(512);
    expect(bytes.subarray(510).toString('hex')).toBe('55aa');
  });

  it('makes the counters of both vCPUs move', async (context) => {
    const reason = whyNoVm({ accel: 'kvm' });
    if (reason !== undefined) context.skip(reason);
    await using vm = await startQemu({ accel: 'kvm', guest: true });
    await guestRuns(vm);
    const monitor = await RawHmp.open(vm.hmpPath);
    try {
      const before = [await statsOfVcpu(monitor, 0), await statsOfVcpu(monitor, 1)];
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const after = [await statsOfVcpu(monitor, 0), await statsOfVcpu(monitor, 1)];
      for (const index of [0, 1]) {
        for (const name of ['exits', 'halt_exits']) {
          expect(scalar(after[index] ?? '', name)).toBeGreaterThan(scalar(before[index] ?? '', name) + 10);
        }
        const buckets = /halt_wait_hist .*?: (.*)\r/.exec(after[index] ?? '')?.[1]?.match(/=[1-9]/g) ?? [];
        expect(buckets.length).toBeGreaterThanOrEqual(10);
      }
    } finally {
      monitor.close();
    }
  });

  it('runs without x2APIC too, on the boot vCPU', async (context) => {
    const reason = whyNoVm({ accel: 'tcg' });
    if (reason !== undefined) context.skip(reason);
    await using vm = await startQemu({ accel: 'tcg', guest: true, smp: 1, args: ['-cpu', 'qemu64,-x2apic'] });
    const monitor = await RawHmp.open(vm.hmpPath);
    try {
      // It sleeps in its own code segment, with another count of the nap each time.
      const naps = new Set<string>();
      for (let round = 0; round < 200 && naps.size < 3; round++) {
        const registers = await monitor.command('info registers');
        const nap = /EBX=[0-9a-f]{6}([0-9a-f]{2})/.exec(registers)?.[1];
        if (/CS =0800/.test(registers) && nap !== undefined) naps.add(nap);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect(naps.size).toBeGreaterThanOrEqual(3);
    } finally {
      monitor.close();
    }
  });
});

describe('startQemu', () => {
  it('gives a VM with the name, uuid and monitors asked for, and ends it', async (context) => {
    const reason = whyNoVm();
    if (reason !== undefined) context.skip(reason);
    const uuid = '0b5e55ed-0000-4000-8000-000000000001';
    const vm = await startQemu({ name: 'lab test', uuid, qmp: 2, paused: true, smp: 3 });
    try {
      for (const path of vm.qmpPaths) {
        const monitor = await RawQmp.open(path);
        expect(await monitor.execute('query-name')).toEqual({ name: 'lab test' });
        expect(await monitor.execute('query-uuid')).toEqual({ UUID: uuid });
        expect(await monitor.execute('query-cpus-fast')).toHaveLength(3);
        expect(await monitor.execute('query-status')).toMatchObject({ status: 'prelaunch' });
        monitor.close();
      }
      expect(readFileSync(`/proc/${vm.pid}/comm`, 'utf8')).toMatch(/^qemu-system/);
    } finally {
      await vm.stop();
    }
    expect(isAlive(vm.pid)).toBe(false);
    await vm.stop();
  });

  it('ends a VM that hangs', async (context) => {
    const reason = whyNoVm();
    if (reason !== undefined) context.skip(reason);
    const vm = await startQemu({ paused: true });
    process.kill(vm.pid, 'SIGSTOP');
    await vm.stop();
    expect(isAlive(vm.pid)).toBe(false);
  });

  it('leaves no VM behind when the process that started it is killed', async (context) => {
    const reason = whyNoVm();
    if (reason !== undefined) context.skip(reason);
    const qemu = new URL('qemu.ts', import.meta.url);
    const code = `const { startQemu } = await import('${qemu}'); const vm = await startQemu({ paused: true }); console.log(vm.pid, vm.folder);`;
    const starter = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const line = await new Promise<string>((resolve) => starter.stdout.once('data', (chunk) => resolve(String(chunk))));
    const [pid = '', folder = ''] = line.trim().split(' ');
    try {
      expect(isAlive(Number(pid))).toBe(true);
      starter.kill('SIGKILL');
      await vi.waitFor(() => expect(isAlive(Number(pid))).toBe(false), { timeout: 5000 });
    } finally {
      starter.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('says what QEMU said where it does not start', async (context) => {
    const reason = whyNoVm();
    if (reason !== undefined) context.skip(reason);
    await expect(startQemu({ args: ['-no-such-option'] })).rejects.toThrow('no-such-option');
  });

  it('starts the newer QEMU', async (context) => {
    const newer = newerQemuRoot();
    if ('reason' in newer) return context.skip(newer.reason);
    await using vm = await startQemu({ root: newer.root, guest: true });
    const monitor = await RawQmp.open(vm.qmpPath);
    const version = await monitor.execute('query-version');
    monitor.close();
    expect(version).toMatchObject({ qemu: { major: BigInt(qemuVersion(newer.root)?.split('.')[0] ?? 0) } });
    if (hasKvm()) await guestRuns(vm);
  });
});
