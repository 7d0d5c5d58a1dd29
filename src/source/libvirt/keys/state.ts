import {
  VIR_DOMAIN_STATS_BALLOON,
  VIR_DOMAIN_STATS_DIRTYRATE,
  VIR_DOMAIN_STATS_STATE,
  VIR_DOMAIN_STATS_VCPU,
} from '../../../protocol/libvirt/constants.ts';
import { STATE_STATS } from '../../qemu/providers/state.ts';
import type { StatsRecord } from '../stats-record.ts';
import { Described, type KeyTable } from './key-table.ts';

const STATS = new Described(STATE_STATS);

const KIB = 1024n;

/** VIR_DOMAIN_DIRTYRATE_MEASURED: before that the other keys say nothing. */
const MEASURED = 2n;

/** Whether the vCPUs run, by virDomainState; what is being shut down may do either. */
const IS_RUNNING: ReadonlyMap<bigint, boolean> = new Map([
  [1n, true],
  [2n, true],
  [3n, false],
  [5n, false],
  [6n, false],
  [7n, false],
]);

interface Row {
  readonly name: string;
  readonly group: number;
  readonly read: (record: StatsRecord) => bigint | boolean | undefined;
}

const plain = (name: string, group: number, key: string): Row => ({
  name,
  group,
  read: (record) => record.number(key),
});

const dirty = (name: string, key: string): Row => ({
  name,
  group: VIR_DOMAIN_STATS_DIRTYRATE,
  read: (record) =>
    record.number('dirtyrate.calc_status') === MEASURED ? record.number(`dirtyrate.${key}`) : undefined,
});

/** In the order of the schema. */
const ROWS: readonly Row[] = [
  plain('state', VIR_DOMAIN_STATS_STATE, 'state.state'),
  plain('reason', VIR_DOMAIN_STATS_STATE, 'state.reason'),
  {
    name: 'running',
    group: VIR_DOMAIN_STATS_STATE,
    read: (record) => IS_RUNNING.get(record.number('state.state') ?? 0n),
  },
  plain('vcpu_current', VIR_DOMAIN_STATS_VCPU, 'vcpu.current'),
  plain('vcpu_maximum', VIR_DOMAIN_STATS_VCPU, 'vcpu.maximum'),
  {
    // All memory of the definition, which is what the machine has; what it may have at most is in no key.
    name: 'memory_current',
    group: VIR_DOMAIN_STATS_BALLOON,
    read: (record) => {
      const kib = record.number('balloon.maximum');
      return kib === undefined ? undefined : kib * KIB;
    },
  },
  dirty('dirty_rate', 'megabytes_per_second'),
  dirty('dirty_rate_start_time', 'calc_start_time'),
  dirty('dirty_rate_calc_time', 'calc_period'),
];

/** The provider `state`. */
export const STATE_KEYS: KeyTable = {
  provider: 'state',
  targets: {
    vm: {
      groups: (names) =>
        ROWS.filter(({ name }) => names === undefined || names.includes(name)).reduce(
          (bits, { group }) => bits | group,
          0,
        ),
      needsMonitor: false,
      nothing: 'libvirt tells nothing of the state of the VM',
      read: (record) => {
        const values = ROWS.flatMap(({ name, read }) => STATS.value(name, read(record)));
        return values.length === 0 ? [] : [{ values }];
      },
    },
  },
};
