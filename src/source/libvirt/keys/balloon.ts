import { BALLOON, BALLOON_TARGET, NO_BALLOON } from '../../../model/guest-memory.ts';
import { VIR_DOMAIN_STATS_BALLOON } from '../../../protocol/libvirt/constants.ts';
import { GUEST_MEMORY_KEYS } from '../../../protocol/libvirt/stats-keys.ts';
import { ageNs, DEVICE_STATS, GUEST_STATS } from '../../qemu/providers/balloon.ts';
import type { StatsRecord } from '../stats-record.ts';
import { always, Described, type KeyTable, type Measured } from './key-table.ts';

const KIB = 1024n;

const STATS = new Described([...GUEST_STATS, ...DEVICE_STATS]);

/**
 * The provider `balloon`, in whole KiB. How often the guest is asked libvirt does not say. A VM without a balloon has the keys
 * that libvirt has from its own books, and not the one that only a balloon tells.
 */
export const BALLOON_KEYS: KeyTable = {
  provider: BALLOON,
  targets: {
    [BALLOON_TARGET]: {
      groups: always(VIR_DOMAIN_STATS_BALLOON),
      needsMonitor: true,
      nothing: NO_BALLOON,
      read: readBalloon,
    },
  },
};

function readBalloon(record: StatsRecord): readonly Measured[] {
  const lastUpdate = record.number('balloon.last-update');
  if (lastUpdate === undefined) return [];
  const values = [
    ...GUEST_MEMORY_KEYS.filter(([, name]) => name !== 'last-update').flatMap(([key, name, isBytes]) => {
      const value = record.number(`balloon.${key}`);
      return STATS.value(name, isBytes ? bytes(value) : value);
    }),
    ...STATS.value('balloon-size', bytes(record.number('balloon.current'))),
    ...STATS.value('last-update', lastUpdate),
    ...STATS.value('last-update-age', ageNs(lastUpdate, record.collectedAtNs)),
  ];
  return [{ values }];
}

function bytes(kib: bigint | undefined): bigint | undefined {
  return kib === undefined ? undefined : kib * KIB;
}
