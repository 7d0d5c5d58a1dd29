import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FoundDomain, StatsRequest } from '../../model/provider.ts';
import type { Schema } from '../../model/stat.ts';
import type { StatsResult } from '../../protocol/qmp/stats-reply.ts';
import { Registry } from '../../registry/registry.ts';
import { FakeMonitor, type FakeMonitorOptions } from '../../testing/fake-monitor.ts';
import { QemuSource } from './source.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-qemu-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = { signal: new AbortController().signal };
const UUID = '1ab00000-0000-4000-8000-000000000001';

const schemas: readonly Schema[] = [
  { provider: 'kvm', target: 'vm', stats: [{ name: 'pages', type: 'instant', exponent: 0 }] },
  {
    provider: 'kvm',
    target: 'vcpu',
    stats: [
      { name: 'exits', type: 'cumulative', exponent: 0 },
      { name: 'wait', type: 'log2-histogram', unit: 'seconds', base: 10, exponent: -9 },
    ],
  },
  { provider: 'qpu', target: 'vcpu', stats: [{ name: 'spin', type: 'half', exponent: 0 }] },
];

const vcpu = (index: number): StatsResult => ({
  provider: 'kvm',
  path: `/machine/unattached/device[${index}]`,
  stats: [
    { name: 'exits', value: 2n ** 64n - BigInt(index) - 1n },
    { name: 'wait', value: [1n, 2n, 3n] },
  ],
});

const results = {
  vm: [{ provider: 'kvm', stats: [{ name: 'pages', value: 7n }] }],
  vcpu: [vcpu(0), vcpu(2), { provider: 'qpu', path: '/machine/qpu', stats: [{ name: 'spin', value: true }] }],
};

/** Those of `query-stats`: our own providers have tests of their own. */
function queried<T extends { readonly name: string } | { readonly provider: string }>(
  items: readonly T[],
): readonly T[] {
  return items.filter((item) => ['kvm', 'qpu'].includes('name' in item ? item.name : item.provider));
}

async function withDomain(
  fakeOptions: FakeMonitorOptions,
  use: (found: FoundDomain, fake: FakeMonitor, source: QemuSource) => Promise<void>,
): Promise<void> {
  await using fake = await FakeMonitor.listen({ path: join(folder, 'qmp'), name: 'lab', uuid: UUID, ...fakeOptions });
  const source = new QemuSource(fake.uri, { greetingTimeoutMs: 200 });
  try {
    const [found] = await source.scan(options);
    await use(found as FoundDomain, fake, source);
  } finally {
    await source.close();
  }
}

describe('QemuSource', () => {
  it('names the domain as the VM is, and completes it', async () => {
    await withDomain({}, async (found, fake) => {
      expect(found.domain).toEqual({ id: fake.uri, name: 'lab', uuid: UUID, source: fake.uri });
      const vmm = { name: 'QEMU', version: '7.2.22', package: 'fake' };
      expect(await found.describe(options)).toEqual({ ...found.domain, state: 'running', vcpus: 2, vmm });
    });
  });

  it('offers one provider for each that QEMU names, with its targets and schemas', async () => {
    await withDomain({ schemas }, async (found) => {
      const providers = queried(await found.providers(options));
      expect(providers.map(({ name, targets }) => [name, targets])).toEqual([
        ['kvm', ['vm', 'vcpu']],
        ['qpu', ['vcpu']],
      ]);
      expect(await providers[0]?.schemas(found.domain, options)).toEqual(schemas.slice(0, 2));
      expect(queried(await found.availability(options))).toEqual(
        schemas.map(({ provider, target }) => ({ provider, target, via: 'qmp', available: true })),
      );
    });
  });

  it('asks one query for what is asked, and gives it in the order of the kernel', async () => {
    await withDomain({ schemas, results }, async (found, fake) => {
      const [kvm, qpu] = await found.providers(options);
      const request = { target: 'vcpu', names: ['wait'], paths: ['/machine/unattached/device[2]', '/machine/qpu'] };
      const before = fake.requests.length;
      const [readings, others] = await Promise.all([
        kvm?.stats(found.domain, request, options),
        qpu?.stats(found.domain, { target: 'vcpu' }, options),
      ]);
      expect(readings).toEqual([
        {
          path: '/machine/unattached/device[2]',
          via: 'qmp',
          collectedAtNs: expect.any(BigInt),
          stats: [{ name: 'wait', value: [1n, 2n, 3n] }],
        },
      ]);
      expect(others).toMatchObject([{ path: '/machine/qpu', stats: [{ name: 'spin', value: true }] }]);
      expect(fake.requests.slice(before).map((sent) => sent.arguments)).toEqual([
        {
          target: 'vcpu',
          providers: [{ provider: 'kvm', names: ['wait'] }],
          vcpus: ['/machine/unattached/device[2]', '/machine/qpu'],
        },
        { target: 'vcpu', providers: [{ provider: 'qpu' }] },
      ]);
    });
  });

  it('names a provider only where QEMU has another one for the target, or names of its statistics are given', async () => {
    await withDomain({ schemas, results }, async (found, fake) => {
      const [kvm] = await found.providers(options);
      const asked = async (request: StatsRequest) => {
        const readings = await kvm?.stats(found.domain, request, options);
        return [fake.requests.at(-1)?.arguments, readings?.map(({ stats }) => stats.map(({ name }) => name))];
      };
      const providers = [{ provider: 'kvm' }];
      expect(await asked({ target: 'vm' })).toEqual([{ target: 'vm' }, [['pages']]]);
      expect(await asked({ target: 'vcpu' })).toMatchObject([{ target: 'vcpu', providers }, [{}, {}]]);
      const named = { target: 'vm', providers: [{ provider: 'kvm', names: ['pages'] }] };
      expect(await asked({ target: 'vm', names: ['pages'] })).toEqual([named, [['pages']]]);
    });
    const [, ofVcpus] = schemas as [Schema, Schema];
    await withDomain({ schemas: [ofVcpus], results }, async (found, fake) => {
      const [kvm] = await found.providers(options);
      const paths = ['/machine/unattached/device[2]'];
      // What another QEMU behind the same socket has beside it is left out.
      const readings = await kvm?.stats(found.domain, { target: 'vcpu' }, options);
      expect(readings?.map(({ path }) => path)).toEqual(['/machine/unattached/device[0]', ...paths]);
      await kvm?.stats(found.domain, { target: 'vcpu', paths }, options);
      expect(fake.requests.slice(-2).map((sent) => sent.arguments)).toEqual([
        { target: 'vcpu' },
        { target: 'vcpu', vcpus: paths },
      ]);
    });
  });

  it('keeps what QEMU told about itself while the connection lasts, and asks again on the next', async () => {
    await withDomain({ schemas }, async (found, fake, source) => {
      const count = (command: string): number => fake.requests.filter((sent) => sent.command === command).length;
      for (let round = 0; round < 3; round++) {
        await source.scan(options);
        await found.providers(options);
        await found.availability(options);
      }
      expect([count('query-stats-schemas'), count('query-name')]).toEqual([1, 1]);
      fake.disconnect();
      await expect.poll(() => fake.openConnections).toBe(0);
      await source.scan(options);
      await found.providers(options);
      expect([count('query-stats-schemas'), count('query-name')]).toEqual([2, 2]);
    });
  });

  it.each<[string, FakeMonitorOptions, string]>([
    ['an old QEMU', { version: { major: 6, minor: 2, micro: 0 }, commands: { 'query-stats-schemas': null } }, '7.1'],
    ['a VM without KVM', { commands: { 'query-kvm': () => ({ enabled: false, present: true }) } }, 'without KVM'],
    ['an old kernel', {}, 'Linux'],
  ])('says why %s has no statistics', async (_, fakeOptions, reason) => {
    await withDomain(fakeOptions, async (found) => {
      expect(queried(await found.providers(options))).toEqual([]);
      expect(queried(await found.availability(options))).toEqual(
        ['vm', 'vcpu'].map((target) => ({
          provider: 'kvm',
          target,
          via: 'qmp',
          available: false,
          reason: expect.stringContaining(reason),
        })),
      );
    });
  });

  it('says why KVM measures nothing, also where others measure something', async () => {
    const commands = { 'query-kvm': () => ({ enabled: false, present: true }) };
    await withDomain({ schemas: schemas.slice(2), commands }, async (found) => {
      expect(queried(await found.availability(options))).toMatchObject([
        { provider: 'kvm', target: 'vm', available: false, reason: expect.stringContaining('without KVM') },
        { provider: 'kvm', target: 'vcpu', available: false },
        { provider: 'qpu', target: 'vcpu', available: true },
      ]);
    });
  });

  it('has a domain also where the monitor cannot be reached: its calls say why', async () => {
    const uri = `qmp+unix:${join(folder, 'none')}`;
    const source = new QemuSource(uri);
    const [found] = await source.scan(options);
    expect(found?.domain).toEqual({ id: uri, name: uri, source: uri });
    for (const call of [found?.providers(options), found?.describe(options), found?.availability(options)]) {
      await expect(call).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
    }
    expect(await source.scan({ signal: AbortSignal.abort() })).toHaveLength(1);
    await source.close();
    await source.close();
  });

  it.each([
    [{ fault: 'wrong-shape' }, 'QMP_REPLY_INVALID'],
    [{ fault: 'never-greets' }, 'MONITOR_BUSY'],
    [{ commands: { 'query-stats-schemas': () => [{ provider: 1 }] } }, 'QMP_REPLY_INVALID'],
  ] as const)('fails with one clear error where the monitor has %j', async (fakeOptions, code) => {
    await withDomain(fakeOptions, async (found) => {
      await expect(found.providers(options)).rejects.toMatchObject({ code });
    });
  });

  it('costs the others nothing where one of its kind is sick', async () => {
    await using well = await FakeMonitor.listen({ name: 'well', schemas, results });
    await using sick = await FakeMonitor.listen({ name: 'sick', fault: 'dies-in-mid-reply' });
    const registry = new Registry([new QemuSource(sick.uri), new QemuSource(well.uri)]);
    try {
      const answers = await registry.query({ target: 'vm', providers: [{ provider: 'kvm' }] });
      expect(answers.map(({ items, errors }) => [items.length, errors.map((error) => error.code)])).toEqual([
        [0, ['CONNECTION_LOST']],
        [1, []],
      ]);
    } finally {
      await registry.close();
    }
  });

  it('does not keep a process from exiting that forgot to close it', async () => {
    await using fake = await FakeMonitor.listen({ schemas });
    const module = new URL('./source.ts', import.meta.url).href;
    const script = `
      import { QemuSource } from ${JSON.stringify(module)};
      const { signal } = new AbortController();
      const [found] = await new QemuSource(${JSON.stringify(fake.uri)}, { idleMs: 60_000 }).scan({ signal });
      console.log((await found.providers({ signal })).some(({ name }) => name === 'qpu'));`;
    const args = ['--input-type=module', '--eval', script];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 10_000 });
    expect(stdout).toBe('true\n');
  });
});
