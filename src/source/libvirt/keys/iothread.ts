import { COUNT, describeStat } from '../../../model/describe.ts';
import { VIR_DOMAIN_STATS_IOTHREAD } from '../../../protocol/libvirt/constants.ts';
import { IOTHREAD_STATS } from '../../qemu/providers/iothread.ts';
import { numberOf } from '../stats-record.ts';
import { always, type KeyTable } from './key-table.ts';

const STATS = new Map(IOTHREAD_STATS.map((stat) => [stat.name, stat]));

/** The provider `iothread`: libvirt has QEMU's own names, and calls the objects `iothreadN`. */
export const IOTHREAD_KEYS: KeyTable = {
  provider: 'iothread',
  targets: {
    iothread: {
      groups: always(VIR_DOMAIN_STATS_IOTHREAD),
      needsMonitor: true,
      nothing: 'the VM has no I/O threads',
      read: (record) =>
        [...record.objects('iothread')].map(([id, fields]) => ({
          path: `/objects/iothread${id}`,
          values: [...fields].flatMap(([name, param]) => {
            const value = numberOf(param);
            return value === undefined
              ? []
              : [{ stat: STATS.get(name) ?? describeStat(name, 'instant', COUNT), value }];
          }),
        })),
    },
  },
};
