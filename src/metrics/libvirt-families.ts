/** One of the names that exporters of libvirt's statistics share, and the stat that it is made of. */
export interface LibvirtFamily {
  /** Without `_total`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly provider: string;
  readonly target: string;
  readonly stat: string;
}

type Row = readonly [name: string, type: LibvirtFamily['type'], stat: string, help: string];

function rows(prefix: string, provider: string, target: string, ...list: readonly Row[]): readonly LibvirtFamily[] {
  return list.map(([name, type, stat, help]) => ({
    name: `libvirt_domain_${prefix}_${name}`,
    type,
    help,
    provider,
    target,
    stat,
  }));
}

/**
 * Those that are one stat each. Beside them there are `libvirt_up`, `libvirt_domain_vcpu_state` and
 * `libvirt_domain_memory_stats_used_percent`.
 */
export const LIBVIRT_FAMILIES: readonly LibvirtFamily[] = [
  ...rows(
    'info',
    'state',
    'vm',
    ['maximum_memory_bytes', 'gauge', 'memory_current', 'Memory that the machine has'],
    ['virtual_cpus', 'gauge', 'vcpu_current', 'vCPUs that are plugged in'],
  ),
  ...rows('info', 'balloon', 'vm', ['memory_usage_bytes', 'gauge', 'balloon-size', 'Memory that the balloon left']),
  ...rows('info', 'process', 'vm', ['cpu_time_seconds', 'counter', 'cpu_time', 'CPU time of the VM']),
  ...rows(
    'block_stats',
    'block',
    'block',
    ['read_bytes', 'counter', 'rd_bytes', 'Bytes that were read'],
    ['read_requests', 'counter', 'rd_operations', 'Requests to read'],
    ['read_time_seconds', 'counter', 'rd_total_time_ns', 'Time spent reading'],
    ['write_bytes', 'counter', 'wr_bytes', 'Bytes that were written'],
    ['write_requests', 'counter', 'wr_operations', 'Requests to write'],
    ['write_time_seconds', 'counter', 'wr_total_time_ns', 'Time spent writing'],
    ['flush_requests', 'counter', 'flush_operations', 'Requests to flush'],
    ['flush_time_seconds', 'counter', 'flush_total_time_ns', 'Time spent flushing'],
    ['capacity_bytes', 'gauge', 'capacity', 'Size of the disk'],
  ),
  ...rows(
    'interface_stats',
    'interface',
    'interface',
    ['receive_bytes', 'counter', 'rx_bytes', 'Bytes that the guest received'],
    ['receive_packets', 'counter', 'rx_packets', 'Packets that the guest received'],
    ['receive_errors', 'counter', 'rx_errors', 'Packets that were not received for an error'],
    ['receive_drops', 'counter', 'rx_dropped', 'Packets that were not received and dropped'],
    ['transmit_bytes', 'counter', 'tx_bytes', 'Bytes that the guest sent'],
    ['transmit_packets', 'counter', 'tx_packets', 'Packets that the guest sent'],
    ['transmit_errors', 'counter', 'tx_errors', 'Packets that were not sent for an error'],
    ['transmit_drops', 'counter', 'tx_dropped', 'Packets that were not sent and dropped'],
  ),
  ...rows(
    'memory_stats',
    'balloon',
    'vm',
    ['unused_bytes', 'gauge', 'stat-free-memory', 'Memory that nothing in the guest uses'],
    ['available_bytes', 'gauge', 'stat-total-memory', 'Memory that the guest has'],
    ['usable_bytes', 'gauge', 'stat-available-memory', 'Memory that the guest could give to a program'],
    ['major_fault', 'counter', 'stat-major-faults', 'Page faults in the guest that read from a disk'],
    ['minor_fault', 'counter', 'stat-minor-faults', 'Page faults in the guest that did not'],
  ),
  ...rows('memory_stats', 'process', 'vm', ['rss_bytes', 'gauge', 'rss', 'Memory that the VM takes of the host']),
  ...rows(
    'vcpu',
    'process',
    'vcpu',
    ['time_seconds', 'counter', 'run_time', 'CPU time of a vCPU'],
    ['wait_seconds', 'counter', 'run_wait', 'Time for which the scheduler had a vCPU wait for a processor'],
    ['delay_seconds', 'counter', 'run_delay', 'Time in which a vCPU waited for a processor'],
  ),
];
