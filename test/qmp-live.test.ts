import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { type JsonValue, stringifyJson } from '../src/protocol/json/json.ts';
import { encodeSchemas, encodeStats } from '../src/protocol/qmp/stats-encode.ts';
import { decodeSchemas, decodeStats } from '../src/protocol/qmp/stats-reply.ts';
import { Monitor } from '../src/source/qemu/monitor.ts';
import { QemuSource } from '../src/source/qemu/source.ts';
import { newerQemuRoot, startQemu, type Vm, type VmOptions, whyNoVm } from './lab/qemu.ts';

const options = { signal: new AbortController().signal };

/** A paused VM with a name, and the means to ask it; one for each QEMU that is here. */
function withVm(root: () => { readonly root?: string } | { readonly reason: string }) {
  let vm: Vm | undefined;
  let why: string | undefined;
  beforeAll(async () => {
    const found = root();
    why = 'reason' in found ? found.reason : whyNoVm({ ...found, accel: 'kvm', paused: true });
    if (why === undefined && !('reason' in found))
      vm = await startQemu({ ...found, accel: 'kvm', paused: true, qmp: 2 });
  });
  afterAll(() => vm?.stop());
  return (context: TestContext): Vm => {
    if (vm === undefined) context.skip(why ?? 'QEMU did not start');
    return vm as Vm;
  };
}

describe.each([
  ['this machine’s QEMU', () => ({})],
  ['a newer QEMU', newerQemuRoot],
] as const)('the QMP client and %s', (_, root) => {
  const need = withVm(root);

  it('reads name, uuid, state and vCPUs', async (context) => {
    const vm = need(context);
    const source = new QemuSource(`qmp+unix:${vm.qmpPath}`);
    try {
      const [found] = await source.scan(options);
      expect(await found?.describe(options)).toMatchObject({
        id: source.uri,
        name: vm.name,
        uuid: vm.uuid,
        state: 'prelaunch',
        vcpus: 2,
        source: source.uri,
        vmm: { name: 'QEMU', version: expect.stringMatching(/^\d+\.\d+\.\d+$/) },
      });
    } finally {
      await source.close();
    }
  });

  it('decodes every value and schema, and encodes them as QEMU sent them', async (context) => {
    const vm = need(context);
    const monitor = new Monitor({ kind: 'unix', path: vm.qmpPath });
    try {
      const schemas = await monitor.execute('query-stats-schemas', undefined, options);
      expect(decodeSchemas(schemas).filter((schema) => schema.provider === 'kvm')).toHaveLength(2);
      expect(stringifyJson(encodeSchemas(decodeSchemas(schemas)))).toBe(stringifyJson(schemas));
      for (const target of ['vm', 'vcpu']) {
        const reply = await monitor.execute('query-stats', { target }, options);
        const results = decodeStats(reply);
        expect(results).toHaveLength(target === 'vm' ? 1 : 2);
        expect(stringifyJson(encodeStats(results))).toBe(stringifyJson(reply));
        const schema = decodeSchemas(schemas).find((one) => one.provider === 'kvm' && one.target === target);
        for (const { stats } of results) {
          expect(stats.map((stat) => stat.name)).toEqual(schema?.stats.map((stat) => stat.name));
        }
      }
    } finally {
      await monitor.close();
    }
  });

  it('asks for names and vCPUs as it was asked', async (context) => {
    const vm = need(context);
    const source = new QemuSource(`qmp+unix:${vm.qmpPath}`);
    try {
      const [found] = await source.scan(options);
      const kvm = (await found?.providers(options))?.find((provider) => provider.name === 'kvm');
      const ask = (request: Parameters<NonNullable<typeof kvm>['stats']>[1]) =>
        kvm?.stats(found?.domain ?? { id: '', name: '', source: '' }, request, options);
      const all = (await ask({ target: 'vcpu' })) ?? [];
      const paths = all.map((reading) => reading.path as string);
      expect(paths).toHaveLength(2);
      expect(await ask({ target: 'vcpu', paths: paths.slice(1), names: ['exits', 'nope'] })).toMatchObject([
        { path: paths[1], stats: [{ name: 'exits' }] },
      ]);
      expect(await ask({ target: 'vcpu', paths: [] })).toEqual([]);
      expect(await ask({ target: 'vcpu', names: [] })).toEqual([]);
    } finally {
      await source.close();
    }
  });

  it('finds a monitor busy that serves somebody else, and takes the next', async (context) => {
    const vm = need(context);
    const [first = '', second = ''] = vm.qmpPaths;
    const holder = new Monitor({ kind: 'unix', path: first });
    const late = Array.from(
      { length: 5 },
      () => new Monitor({ kind: 'unix', path: first }, { greetingTimeoutMs: 300 }),
    );
    const either = new Monitor(
      [first, second].map((path) => ({ kind: 'unix', path })),
      { greetingTimeoutMs: 300 },
    );
    try {
      await holder.execute('query-name', undefined, options);
      // More at once than the socket has places for.
      await Promise.all(
        late.map((monitor) =>
          expect(monitor.execute('query-name', undefined, options)).rejects.toMatchObject({ code: 'MONITOR_BUSY' }),
        ),
      );
      await expect(either.execute('query-name', undefined, options)).resolves.toEqual({ name: vm.name });
    } finally {
      await Promise.all([holder.close(), ...late.map((monitor) => monitor.close()), either.close()]);
    }
  });

  it('takes a human monitor for what it is', async (context) => {
    const vm = need(context);
    const monitor = new Monitor({ kind: 'unix', path: vm.hmpPath });
    try {
      await expect(monitor.execute('query-name', undefined, options)).rejects.toMatchObject({
        code: 'MONITOR_NOT_QMP',
      });
    } finally {
      await monitor.close();
    }
  });

  it('carries errors and a reply of 200 KB, with out-of-band execution enabled', async (context) => {
    const vm = need(context);
    const monitor = new Monitor({ kind: 'unix', path: vm.qmpPath }, { oob: true });
    try {
      await expect(monitor.execute('nope', undefined, options)).rejects.toMatchObject({ className: 'CommandNotFound' });
      await expect(monitor.execute('query-stats', { target: 1 }, options)).rejects.toMatchObject({
        code: 'QMP_COMMAND_FAILED',
        className: 'GenericError',
        desc: "Invalid parameter type for 'target', expected: string",
      });
      const schema = (await monitor.execute('query-qmp-schema', undefined, options)) as readonly JsonValue[];
      expect(schema.length).toBeGreaterThan(500);
    } finally {
      await monitor.close();
    }
  });
});

describe.each([
  ['this machine’s QEMU', () => ({})],
  ['a newer QEMU', newerQemuRoot],
] as const)('the QMP client and %s without KVM', (_, root) => {
  it('says why there are no statistics of KVM', async (context) => {
    const found: { readonly root?: string; readonly reason?: string } = root();
    const wanted: VmOptions = { accel: 'tcg', paused: true, ...(found.root !== undefined && { root: found.root }) };
    const why = found.reason ?? whyNoVm(wanted);
    if (why !== undefined) context.skip(why);
    await using vm = await startQemu(wanted);
    const source = new QemuSource(`qmp+unix:${vm.qmpPath}`);
    const [domain] = await source.scan(options);
    const providers = (await domain?.providers(options)) ?? [];
    expect(providers.map((provider) => provider.name)).not.toContain('kvm');
    expect((await domain?.availability(options))?.slice(0, 2)).toMatchObject([
      { provider: 'kvm', target: 'vm', available: false, reason: expect.stringContaining('without KVM') },
      { provider: 'kvm', target: 'vcpu', available: false },
    ]);
    await source.close();
  });
});
