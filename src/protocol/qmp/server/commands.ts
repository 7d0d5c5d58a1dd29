import type { QemuVersion } from '../messages.ts';
import type { Member, ObjectType } from './arguments.ts';

/**
 * The commands that exist, each with its arguments as QEMU's schema has them (qapi/*.json). All of them read; none that could
 * change a VM is known here, so that no mistake elsewhere can let one through. None of them may run out of band.
 *
 * `human-monitor-command` takes `info stats` alone, and `qom-list` and `qom-get` what the backend has on its list.
 */
export const QMP_COMMANDS = [
  'query-stats',
  'query-stats-schemas',
  'human-monitor-command',
  'query-version',
  'query-status',
  'query-name',
  'query-uuid',
  'query-kvm',
  'query-balloon',
  'query-cpus-fast',
  'query-blockstats',
  'query-iothreads',
  'query-commands',
  'query-qmp-schema',
  'qom-list',
  'qom-get',
] as const;

/** A command that exists. */
export type QmpCommand = (typeof QMP_COMMANDS)[number];

/** The command that begins a session, and ends the negotiation. */
export const NEGOTIATION_COMMAND = 'qmp_capabilities';

/** What a client may enable. */
export const CAPABILITIES: readonly string[] = ['oob'];

/** The words of QEMU's enumerations of statistics, which grew with its versions. */
export interface StatsWords {
  readonly targets: readonly string[];
  /** In the order in which QEMU registers them, which its replies turn round. */
  readonly providers: readonly string[];
}

/** The words that a QEMU of this version knows: `cryptodev` came with 8.0. */
export function statsWords({ major }: Pick<QemuVersion, 'major'>): StatsWords {
  return major < 8
    ? { targets: ['vm', 'vcpu'], providers: ['kvm'] }
    : { targets: ['vm', 'vcpu', 'cryptodev'], providers: ['cryptodev', 'kvm'] };
}

const text = (name: string): Member => ({ name, type: { kind: 'string' } });
const texts = (name: string): Member => ({
  name,
  type: { kind: 'list', item: { kind: 'string' } },
  isOptional: true,
});

/** The arguments of `qmp_capabilities`. */
export const NEGOTIATION_ARGUMENTS: ObjectType = {
  members: [{ name: 'enable', type: { kind: 'list', item: { kind: 'enum', words: CAPABILITIES } }, isOptional: true }],
};

const ARGUMENTS: { readonly [command in QmpCommand]?: ObjectType } = {
  'human-monitor-command': {
    members: [text('command-line'), { name: 'cpu-index', type: { kind: 'integer' }, isOptional: true }],
  },
  'query-blockstats': { members: [{ name: 'query-nodes', type: { kind: 'boolean' }, isOptional: true }] },
  'qom-list': { members: [text('path')] },
  'qom-get': { members: [text('path'), text('property')] },
};

/** What a command takes, by its name; undefined for one that does not exist. */
export function argumentTypes(words: StatsWords): ReadonlyMap<string, ObjectType> {
  const own: { readonly [command in QmpCommand]?: ObjectType } = {
    'query-stats': statsFilter(words),
    'query-stats-schemas': {
      members: [{ name: 'provider', type: { kind: 'enum', words: words.providers }, isOptional: true }],
    },
  };
  return new Map(QMP_COMMANDS.map((command) => [command, own[command] ?? ARGUMENTS[command] ?? { members: [] }]));
}

/** `StatsFilter` of qapi/stats.json. */
function statsFilter({ targets, providers }: StatsWords): ObjectType {
  const request: ObjectType = {
    members: [{ name: 'provider', type: { kind: 'enum', words: providers } }, texts('names')],
  };
  return {
    members: [
      { name: 'target', type: { kind: 'enum', words: targets } },
      { name: 'providers', type: { kind: 'list', item: { kind: 'object', ...request } }, isOptional: true },
    ],
    union: { tag: 'target', branches: { vcpu: [texts('vcpus')] } },
  };
}
