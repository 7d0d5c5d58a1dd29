import { isPathSelected, selectNames } from '../model/filter.ts';
import type { Schema } from '../model/stat.ts';
import type { JsonInput, JsonObject } from '../protocol/json/json.ts';
import { QmpCommandError } from '../protocol/qmp/messages.ts';
import { encodeSchemas, encodeStats } from '../protocol/qmp/stats-encode.ts';
import type { StatsResult } from '../protocol/qmp/stats-reply.ts';

/** What a command returns for its arguments; a QmpCommandError that it throws is sent as QEMU's error. */
export type FakeCommand = (args: JsonObject) => JsonInput;

/** The VM behind a fake monitor. */
export interface FakeVm {
  /** `fake` if absent. */
  readonly name?: string;
  readonly uuid?: string;
  /** What `query-stats-schemas` tells; nothing if absent, as a VM without KVM. */
  readonly schemas?: readonly Schema[];
  /** What `query-stats` tells, by target, in the model's order. May be changed while the fake runs. */
  readonly results?: Readonly<Record<string, readonly StatsResult[]>>;
}

/** The queries that a healthy monitor answers, beside those that depend on the VM. */
export const FAKE_COMMANDS: Readonly<Record<string, FakeCommand>> = {
  'query-status': () => ({ status: 'running', singlestep: false, running: true }),
  'query-kvm': () => ({ enabled: true, present: true }),
  'query-version': () => ({ qemu: { micro: 22, minor: 2, major: 7 }, package: 'fake' }),
  'query-iothreads': () => [],
  'query-blockstats': () => [],
  'query-named-block-nodes': () => [],
  'query-memory-size-summary': () => ({ 'base-memory': 33_554_432, 'plugged-memory': 0 }),
  'query-dirty-rate': () => ({ status: 'unstarted', 'start-time': 0, 'calc-time': 0 }),
  'qom-list': () => [],
  'query-cpus-fast': () => [
    { 'thread-id': 1001, 'qom-path': '/machine/unattached/device[0]', 'cpu-index': 0, target: 'x86_64' },
    { 'thread-id': 1002, 'qom-path': '/machine/unattached/device[2]', 'cpu-index': 1, target: 'x86_64' },
  ],
};

/** The queries about one VM, with the filter rules and the orders of QEMU. */
export function statsCommands(vm: FakeVm): Readonly<Record<string, FakeCommand>> {
  return {
    'query-name': () => ({ name: vm.name ?? 'fake' }),
    'query-uuid': () => ({ UUID: vm.uuid ?? '00000000-0000-0000-0000-000000000000' }),
    'query-stats-schemas': ({ provider }) =>
      encodeSchemas((vm.schemas ?? []).filter((schema) => provider === undefined || schema.provider === provider)),
    'query-stats': (args) => encodeStats(select(vm, args)),
  };
}

function select(vm: FakeVm, args: JsonObject): readonly StatsResult[] {
  const { target, providers, vcpus } = args as {
    target?: string;
    providers?: readonly { provider: string; names?: readonly string[] }[];
    vcpus?: readonly string[];
  };
  if (target === undefined) throw new QmpCommandError('query-stats', 'GenericError', "Parameter 'target' is missing");
  if (vcpus !== undefined && target !== 'vcpu') {
    throw new QmpCommandError('query-stats', 'GenericError', "Parameter 'vcpus' is unexpected");
  }
  const all = (vm.results?.[target] ?? []).filter((result) => isPathSelected(vcpus, result.path));
  if (providers === undefined) return all;
  return providers.flatMap(({ provider, names }) =>
    all
      .filter((result) => result.provider === provider)
      .map((result) => ({ ...result, stats: selectNames(result.stats, names) })),
  );
}
