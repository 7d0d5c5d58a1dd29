import { VIR_DOMAIN_STATS_INTERFACE } from '../../../protocol/libvirt/constants.ts';
import { NET_KEYS } from '../../../protocol/libvirt/stats-keys.ts';
import { INTERFACE_SCHEMA } from '../../local/interface-provider.ts';
import { numberOf, textOf } from '../stats-record.ts';
import { always, Described, type KeyTable } from './key-table.ts';

const STATS = new Described(INTERFACE_SCHEMA.stats);

/**
 * The provider `interface`: NICs that have a device on the daemon's host, by their number in the definition. libvirt has turned
 * the host's view into the guest's already: it exchanges rx and tx of a tap, and leaves those of a macvtap.
 */
export const INTERFACE_KEYS: KeyTable = {
  provider: INTERFACE_SCHEMA.provider,
  targets: {
    [INTERFACE_SCHEMA.target]: {
      groups: always(VIR_DOMAIN_STATS_INTERFACE),
      needsMonitor: false,
      nothing: 'the VM has no NIC with a device on the host of libvirt',
      read: (record) =>
        [...record.objects('net')].flatMap(([index, fields]) => {
          const values = NET_KEYS.flatMap(([key, name]) => STATS.value(name, numberOf(fields.get(key))));
          const device = textOf(fields.get('name'));
          return values.length === 0 ? [] : [{ path: `nic-${index}`, ...(device !== undefined && { device }), values }];
        }),
    },
  },
};
