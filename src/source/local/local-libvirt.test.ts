import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FoundDomain } from '../../model/provider.ts';
import type { DomainStatsRecord } from '../../protocol/libvirt/domain-stats.ts';
import { FakeLibvirtd } from '../../testing/fake-libvirtd.ts';
import { LocalLibvirt } from './local-libvirt.ts';
import { LocalSource } from './local-source.ts';
import { UnseenDomains } from './unseen-domains.ts';

const OPTIONS = { signal: new AbortController().signal };
const uuidOf = (digit: number): string => `00000000-0000-4000-8000-00000000000${digit}`;

const record = (digit: number, id: number, state = 1, reason = 1): DomainStatsRecord => ({
  domain: { name: `d${digit}`, uuid: uuidOf(digit), id },
  params: [
    { field: 'state.state', type: 'int', value: state },
    { field: 'state.reason', type: 'int', value: reason },
    { field: 'vcpu.current', type: 'uint', value: 4 },
  ],
});

let folder: string;
let libvirt: LocalLibvirt;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-run-'));
  libvirt = new LocalLibvirt(folder);
});
afterEach(async () => {
  await libvirt.close();
  rmSync(folder, { recursive: true });
});

const listen = (name: string, ...records: readonly DomainStatsRecord[]) =>
  FakeLibvirtd.listen({ path: join(folder, name), records });

describe('the libvirt of this host', () => {
  it('runs a VM of the same uuid and name, and nobody who only says so', async () => {
    await using _ = await listen('libvirt-sock-ro', record(1, 7), record(2, -1));
    const domain = (name: string, uuid?: string) =>
      libvirt.domain({ name, ...(uuid !== undefined && { uuid }) }, () => undefined);
    expect(await domain('d1', uuidOf(1).toUpperCase()).isThere(OPTIONS)).toBe(true);
    expect(await domain('d2', uuidOf(1)).isThere(OPTIONS)).toBe(false);
    expect(await domain('d2', uuidOf(2)).isThere(OPTIONS)).toBe(false);
    expect(await domain('d1').isThere(OPTIONS)).toBe(false);
    const known = { id: 'x', name: 'd1', source: 'local:' };
    expect(await domain('d1', uuidOf(1)).describe(known, OPTIONS)).toEqual({ ...known, state: 'running', vcpus: 4 });
  });

  it('is asked through a socket that only reads, the newer daemon first, and not through a link to somebody else', async () => {
    expect(await libvirt.running(OPTIONS)).toEqual([]);
    await using elsewhere = await FakeLibvirtd.listen({ path: `${folder}.sock`, records: [record(9, 9)] });
    symlinkSync(`${folder}.sock`, join(folder, 'virtqemud-sock-ro'));
    await using all = await listen('libvirt-sock', record(8, 8));
    expect(await libvirt.running(OPTIONS)).toEqual([]);
    await using old = await listen('libvirt-sock-ro', record(1, 1));
    expect(await libvirt.running(OPTIONS)).toMatchObject([{ name: 'd1' }]);
    rmSync(join(folder, 'virtqemud-sock-ro'));
    await using newer = await listen('virtqemud-sock-ro', record(2, 2));
    expect(await libvirt.running(OPTIONS)).toMatchObject([{ name: 'd2' }]);
    expect([elsewhere, all].flatMap(({ calls }) => calls)).toEqual([]);
    expect(old.calls.length * newer.calls.length).toBeGreaterThan(0);
  });

  it('that does not answer says so in time', async () => {
    await using _ = await FakeLibvirtd.listen({ path: join(folder, 'libvirt-sock-ro'), answer: () => 'silence' });
    const source = new LocalSource({ procRoot: '/proc/self/fdinfo', libvirtFolder: folder });
    const startedMs = performance.now();
    expect(await source.scan(OPTIONS)).toEqual([]);
    await source.scan(OPTIONS);
    expect(performance.now() - startedMs).toBeLessThan(1500);
    await source.close();
    await expect(libvirt.running(OPTIONS, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'TIMEOUT' });
  });
});

it('domains that nobody sees in /proc are there once, and not while libvirt starts or ends them', async () => {
  await using _ = await listen('libvirt-sock-ro', record(1, 1), record(2, 2), record(3, 3, 3, 11), record(4, -1, 5));
  const unseen = new UnseenDomains('local:', libvirt, () => undefined);
  const seen = { domain: { id: 'x', name: 'd1', uuid: uuidOf(1), source: 'local:' } } as FoundDomain;
  const names = async (there: readonly FoundDomain[]) =>
    (await unseen.find(there, OPTIONS)).map(({ domain }) => domain.name);
  expect(await names([seen])).toEqual(['d2']);
  expect(await names([])).toEqual(['d2']);
});
