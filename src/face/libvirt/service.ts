import { type NodeFacts, nodeFacts } from '../../host/node-info.ts';
import { VIR_ERR_NO_CONNECT, VIR_FROM_NONE } from '../../protocol/libvirt/constants.ts';
import { LibvirtRefusal } from '../../protocol/libvirt/refusal.ts';
import type { LibvirtService } from '../../protocol/libvirt/server.ts';
import type { CallerView } from './caller-view.ts';
import { connectProcedures } from './connect-procedures.ts';
import { domainProcedures } from './domain-procedures.ts';
import { refusalOf } from './refusals.ts';

/** What a caller may call: a driver for QEMU that can only be read, on the host that `node` describes; this one if absent. */
export function libvirtService(view: CallerView, node: () => NodeFacts = nodeFacts): LibvirtService {
  const all = [...connectProcedures(view, node), ...domainProcedures(view, node)];
  return {
    procedures: new Map(all.map((each) => [each.procedure.number, each])),
    refusal: refusalOf,
    open: ({ name }) => {
      if (name === '' || name === undefined || name.startsWith('qemu:')) return;
      throw new LibvirtRefusal(VIR_ERR_NO_CONNECT, VIR_FROM_NONE, name);
    },
  };
}
