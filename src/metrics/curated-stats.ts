/** How a stat is shown: each object for itself, or one series for all objects of a domain. */
export type Shown = 'each' | 'sum';

function names(shown: Shown, ...stats: readonly string[]): ReadonlyMap<string, Shown> {
  return new Map(stats.map((stat) => [stat, shown]));
}

/** The curated stats of virtstat's own providers, by `provider/target`. Disks and NICs stay apart; threads of vCPUs are summed. */
export const CURATED_STATS: ReadonlyMap<string, ReadonlyMap<string, Shown>> = new Map([
  ['state/vm', names('each', 'state', 'vcpu_current', 'memory_current')],
  ['balloon/vm', names('each', 'balloon-size', 'stat-available-memory', 'stat-free-memory', 'last-update-age')],
  [
    'block/block',
    names(
      'each',
      ...['rd_operations', 'rd_bytes', 'rd_total_time_ns', 'failed_rd_operations'],
      ...['wr_operations', 'wr_bytes', 'wr_total_time_ns', 'failed_wr_operations', 'failed_flush_operations'],
    ),
  ],
  [
    'interface/interface',
    names('each', 'rx_bytes', 'rx_packets', 'rx_dropped', 'tx_bytes', 'tx_packets', 'tx_dropped'),
  ],
  ['process/vm', names('each', 'cpu_time', 'rss')],
  ['process/vcpu', names('sum', 'run_time', 'run_delay')],
]);
