import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { FoundDomain } from '../../model/provider.ts';
import type { DomainStatsRecord } from '../../protocol/libvirt/domain-stats.ts';
import { Registry } from '../../registry/registry.ts';
import { FakeLibvirtd } from '../../testing/fake-libvirtd.ts';
import { KernelSchemas } from '../kvm/kernel-schemas.ts';
import { openSources } from '../open.ts';
import { LibvirtSource } from './source.ts';

const folder = mkdtempSync(join(tmpdir(), 'virtstat-libvirt-source-'));
afterAll(() => rmSync(folder, { recursive: true }));
let sockets = 0;
const newPath = (): string => join(folder, `${++sockets}.sock`);

const OPTIONS = { signal: new AbortController().signal };

const record = (digit: number, id: number): DomainStatsRecord => ({
  domain: { name: `d${digit}`, uuid: `00000000-0000-4000-8000-00000000000${digit}`, id },
  params: [
    { field: 'state.state', type: 'int', value: id < 0 ? 5 : 1 },
    { field: 'cpu.time', type: 'ullong', value: 16_000_000n },
    { field: 'balloon.maximum', type: 'ullong', value: 1024n },
    { field: 'balloon.rss', type: 'ullong', value: 7n },
    { field: 'vcpu.current', type: 'uint', value: 2 },
    { field: 'vcpu.0.wait_ns.sum', type: 'ullong', value: 9n },
  ],
});

const idsOf = (domains: readonly FoundDomain[]) => domains.map(({ domain }) => domain.id.split('#')[1]);

describe('LibvirtSource', () => {
  it('has the domains of a daemon, and nothing of those that do not run', async () => {
    await using fake = await FakeLibvirtd.listen({ path: newPath(), records: [record(2, -1), record(1, 3)] });
    const registry = new Registry(await openSources([fake.uri]));
    try {
      const [running, off] = await registry.list();
      expect(running?.domain).toMatchObject({ name: 'd1', state: 'running', vcpus: 2, source: fake.uri });
      expect(off).toMatchObject({ domain: { name: 'd2', state: 'shut off' }, errors: [] });
      expect(off?.items.every(({ available, reason }) => !available && reason === 'the domain is shut off')).toBe(true);
      const answers = await registry.query({ target: 'vm' });
      expect(answers.map(({ domain, items }) => [domain.name, items.length > 0])).toEqual([
        ['d1', true],
        ['d2', false],
      ]);
      expect(answers.flatMap(({ errors }) => errors)).toEqual([]);
      const [schemas] = await registry.schemas({ target: 'vcpu' });
      expect(schemas?.items).toEqual([
        { provider: 'kvm', target: 'vcpu', stats: [{ name: 'wait_ns', type: 'cumulative', exponent: 0, size: 1 }] },
      ]);
    } finally {
      await registry.close();
    }
  });

  it('has units of what KVM counts from this host’s kernel, for a daemon on this host', async () => {
    const kernel = new KernelSchemas();
    const stat = { name: 'wait_ns', type: 'cumulative', unit: 'seconds', base: 10, exponent: -9 };
    kernel.note([{ provider: 'kvm', target: 'vcpu', stats: [stat, { name: 'other', type: 'peak', exponent: 0 }] }]);
    kernel.note([{ provider: 'kvm', target: 'vcpu', stats: [{ name: 'other', type: 'peak', exponent: 0 }] }]);
    const schemaOf = async (path?: string) => {
      await using fake = await FakeLibvirtd.listen({ records: [record(1, 3)], ...(path !== undefined && { path }) });
      const registry = new Registry([new LibvirtSource(fake.uri, kernel)]);
      const [answer] = await registry.schemas({ target: 'vcpu' });
      await registry.close();
      return answer?.items.find(({ provider }) => provider === 'kvm')?.stats;
    };
    expect(await schemaOf(newPath())).toEqual([stat]);
    expect(await schemaOf()).toEqual([{ name: 'wait_ns', type: 'cumulative', exponent: 0, size: 1 }]);
  });

  it('tells a domain that was started anew from the one before', async () => {
    let records = [record(1, 3), record(2, 4)];
    const answer = ({ name }: { readonly name: string }) =>
      name === 'CONNECT_GET_ALL_DOMAIN_STATS' ? { result: records } : undefined;
    await using fake = await FakeLibvirtd.listen({ path: newPath(), answer });
    const source = new LibvirtSource(fake.uri);
    const before = await source.scan(OPTIONS);
    const uuids = records.map(({ domain }) => domain.uuid);
    expect(idsOf(before)).toEqual([`${uuids[0]}/3`, `${uuids[1]}/4`]);
    records = [record(1, 5), record(2, 4)];
    const after = await source.scan(OPTIONS);
    expect(idsOf(after)).toEqual([`${uuids[0]}/5`, `${uuids[1]}/4`]);
    expect(after[1]).toBe(before[1]);
    await expect(before[0]?.describe(OPTIONS)).rejects.toMatchObject({ code: 'DOMAIN_GONE' });
    await source.close();
  });

  it('keeps its domains while the daemon is away, and has no others while it never was there', async () => {
    const path = newPath();
    const nobody = new LibvirtSource(`qemu+unix:///system?socket=${path}`);
    await expect(nobody.scan(OPTIONS)).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
    const fake = await FakeLibvirtd.listen({ path, records: [record(1, 3)] });
    expect(await nobody.scan(OPTIONS)).toHaveLength(1);
    await fake[Symbol.asyncDispose]();
    expect(await nobody.scan(OPTIONS)).toHaveLength(1);
    const [gone] = await nobody.scan(OPTIONS);
    await expect(gone?.describe(OPTIONS)).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
    await using again = await FakeLibvirtd.listen({ path, records: [] });
    await expect.poll(() => nobody.scan(OPTIONS)).toEqual([]);
    expect(again.calls.length).toBeGreaterThan(0);
    await nobody.close();
  });

  it('does not wait again for a daemon that does not answer', async () => {
    await using fake = await FakeLibvirtd.listen({ path: newPath(), answer: () => 'silence' });
    const source = new LibvirtSource(fake.uri);
    const limit = AbortSignal.timeout(200);
    await expect(source.scan({ signal: limit })).rejects.toBeDefined();
    const startedMs = performance.now();
    await expect(source.scan(OPTIONS)).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(performance.now() - startedMs).toBeLessThan(1000);
    await source.close();
  });
});
