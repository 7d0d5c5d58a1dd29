import * as constants from '../protocol/libvirt/constants.ts';

/** An option of `domstats` that sets a bit. */
export interface DomStatsBit {
  /** As virsh has it, without the dashes. */
  readonly name: string;
  readonly help: string;
  readonly bit: number;
}

/** The options that choose groups of statistics; none of them means all. */
export const STATS_OPTIONS: readonly DomStatsBit[] = [
  { name: 'state', help: 'domain state', bit: constants.VIR_DOMAIN_STATS_STATE },
  { name: 'cpu-total', help: 'CPU time of the whole domain', bit: constants.VIR_DOMAIN_STATS_CPU_TOTAL },
  { name: 'balloon', help: 'balloon statistics', bit: constants.VIR_DOMAIN_STATS_BALLOON },
  { name: 'vcpu', help: 'virtual CPUs', bit: constants.VIR_DOMAIN_STATS_VCPU },
  { name: 'interface', help: 'network interfaces', bit: constants.VIR_DOMAIN_STATS_INTERFACE },
  { name: 'block', help: 'block devices', bit: constants.VIR_DOMAIN_STATS_BLOCK },
  { name: 'perf', help: 'perf events', bit: constants.VIR_DOMAIN_STATS_PERF },
  { name: 'iothread', help: 'I/O threads', bit: constants.VIR_DOMAIN_STATS_IOTHREAD },
  { name: 'memory', help: 'memory bandwidth', bit: constants.VIR_DOMAIN_STATS_MEMORY },
  { name: 'dirtyrate', help: 'dirty rate', bit: constants.VIR_DOMAIN_STATS_DIRTYRATE },
  { name: 'vm', help: 'statistics of the hypervisor', bit: constants.VIR_DOMAIN_STATS_VM },
];

/** The options that choose domains, or say how. */
export const FLAG_OPTIONS: readonly DomStatsBit[] = [
  { name: 'list-active', help: 'only active domains', bit: constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE },
  { name: 'list-inactive', help: 'only inactive domains', bit: constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE },
  {
    name: 'list-persistent',
    help: 'only persistent domains',
    bit: constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_PERSISTENT,
  },
  {
    name: 'list-transient',
    help: 'only transient domains',
    bit: constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_TRANSIENT,
  },
  { name: 'list-running', help: 'only running domains', bit: constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING },
  { name: 'list-paused', help: 'only paused domains', bit: constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_PAUSED },
  { name: 'list-shutoff', help: 'only shut off domains', bit: constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_SHUTOFF },
  { name: 'list-other', help: 'only domains in other states', bit: constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_OTHER },
  // Every output is raw: virsh has no other either.
  { name: 'raw', help: 'change nothing: all output is raw', bit: 0 },
  {
    name: 'enforce',
    help: 'fail where a group is not supported',
    bit: constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS,
  },
  {
    name: 'backing',
    help: 'the whole chain of images of a disk',
    bit: constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING,
  },
  {
    name: 'nowait',
    help: 'do not wait for a domain that is busy',
    bit: constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT,
  },
];

/** The bits of the options that are among `given`, names without dashes. */
export function bitsOf(options: readonly DomStatsBit[], given: ReadonlySet<string>): number {
  return options.reduce((bits, { name, bit }) => (given.has(name) ? (bits | bit) >>> 0 : bits), 0);
}
