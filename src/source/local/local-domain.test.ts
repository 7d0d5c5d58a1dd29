import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import type { Schema } from '../../model/stat.ts';
import { FakeMonitor } from '../../testing/fake-monitor.ts';
import { LocalDomain, type LocalDomainOptions } from './local-domain.ts';
import { LocalLibvirt } from './local-libvirt.ts';

const PID = 4711;
const OPTIONS = { signal: new AbortController().signal };
const SCHEMA: Schema = { provider: 'kvm', target: 'vm', stats: [{ name: 'pages', type: 'instant', exponent: 0 }] };

let root: string;
let libvirt: LocalLibvirt | undefined;
let domain: LocalDomain;

/** A VM with these arguments, of a process that nobody can hold. */
function newDomain(...argv: readonly string[]): LocalDomain {
  const options: LocalDomainOptions = { source: 'local:', procRoot: root, libvirt: () => libvirt };
  return new LocalDomain(`${PID}-1`, { pid: PID, startTicks: 1n, argv: ['qemu-system-x86_64', ...argv] }, options);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'virtstat-domain-'));
  mkdirSync(join(root, `${PID}/fd`), { recursive: true });
  writeFileSync(join(root, `${PID}/stat`), `${PID} (x) S ${Array.from({ length: 18 }, () => 0).join(' ')} 1 0\n`);
});

afterEach(() => {
  domain.close();
  vi.useRealTimers();
  rmSync(root, { recursive: true });
});

describe('who measures a VM is known without asking', () => {
  it('where it has no monitor, until there is a libvirt that may run it', async () => {
    libvirt = undefined;
    domain = newDomain();
    expect(domain.knownProviders).toBeUndefined();
    const providers = await domain.providers(OPTIONS);
    expect(domain.knownProviders).toBe(providers);
    libvirt = new LocalLibvirt(root);
    expect(domain.knownProviders).toBeUndefined();
    await domain.providers(OPTIONS);
    expect(domain.knownProviders).toBeUndefined();
    await libvirt.close();
  });

  it('as long as what its monitor said holds, and not where that goes out of reach', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    libvirt = undefined;
    const path = join(root, 'qmp.sock');
    const ask = async () => {
      const providers = domain.knownProviders ?? (await domain.providers(OPTIONS));
      return providers.find(({ name }) => name === 'kvm')?.stats(domain.domain, { target: 'vm' }, OPTIONS);
    };
    const fake = await FakeMonitor.listen({
      ...{ path, schemas: [SCHEMA] },
      results: { vm: [{ provider: 'kvm', stats: [{ name: 'pages', value: 7n }] }] },
    });
    domain = newDomain('-qmp', `unix:${path},server=on,wait=off`);
    await domain.providers(OPTIONS);
    const providers = await domain.providers(OPTIONS);
    expect(domain.knownProviders).toBe(providers);
    expect(await ask()).toMatchObject([{ via: 'qmp', stats: [{ name: 'pages', value: 7n }] }]);
    await fake.close();
    await expect(ask()).rejects.toBeInstanceOf(VirtstatError);
    await expect(ask()).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
    expect(domain.knownProviders).toBeUndefined();
    // It is left alone for ten seconds, and what it said before it went holds after that.
    const without = await domain.providers(OPTIONS);
    expect(domain.knownProviders).toBe(without);
    vi.advanceTimersByTime(9999);
    expect(domain.knownProviders).toBe(without);
    vi.advanceTimersByTime(1);
    expect(domain.knownProviders).toBeUndefined();
    await domain.providers(OPTIONS);
    expect(domain.knownProviders).toBeDefined();
  });
});
