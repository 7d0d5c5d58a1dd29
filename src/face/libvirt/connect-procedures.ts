import type { NodeFacts } from '../../host/node-info.ts';
import {
  CONNECT_GET_MAX_VCPUS,
  CONNECT_IS_SECURE,
  NODE_GET_CPU_MAP,
  NODE_GET_INFO,
} from '../../protocol/libvirt/classic-procedures.ts';
import type { DomainReference } from '../../protocol/libvirt/domain.ts';
import * as procedures from '../../protocol/libvirt/procedures.ts';
import { LibvirtRefusal } from '../../protocol/libvirt/refusal.ts';
import { type ServedProcedure, served } from '../../protocol/libvirt/server.ts';
import { bulkStatistics } from './bulk.ts';
import type { CallerView } from './caller-view.ts';
import { FILTERS, isFitting, needsState } from './filters.ts';
import { STATE_NEEDS } from './groups/state.ts';

/** The release of libvirt whose statistics these are: 12.8.0. */
const LIBVIRT_VERSION = 12_008_000n;

/** What is said where no VM tells which QEMU it is: libvirt's client refuses no version. */
const NO_VERSION = 0n;

/** Filters of lists that no domain here fits, or all of them do: managed save, autostart, snapshots, checkpoints. */
const OTHER_FILTERS = { fitting: 0x0a00 | 0x2000 | 0x8000, empty: 0x0500 | 0x1000 | 0x4000 } as const;

const FAMILIES = [0x0300, 0x0c00, 0x3000, 0xc000] as const;

/** Procedures about the host and all of its domains. */
export function connectProcedures(view: CallerView, node: () => NodeFacts): readonly ServedProcedure[] {
  return [
    served(procedures.CONNECT_GET_TYPE, () => 'QEMU'),
    served(procedures.CONNECT_GET_VERSION, async (_args, { signal }) => {
      const answers = await view.reader.list({ signal });
      const versions = answers.flatMap(({ domain }) => versionNumber(domain.vmm?.version) ?? []);
      return versions.toSorted((a, b) => Number(a - b)).at(-1) ?? NO_VERSION;
    }),
    served(procedures.CONNECT_GET_LIB_VERSION, () => LIBVIRT_VERSION),
    served(procedures.CONNECT_GET_HOSTNAME, () => node().hostname),
    served(procedures.CONNECT_GET_URI, () => 'qemu:///system'),
    served(CONNECT_IS_SECURE, () => 1),
    served(CONNECT_GET_MAX_VCPUS, () => node().cpus),
    served(NODE_GET_INFO, () => {
      const { machine: model, memoryBytes, cpus, mhz, nodes, sockets, cores, threads } = node();
      return { model, memoryKib: memoryBytes / 1024n, cpus, mhz, nodes, sockets, cores, threads };
    }),
    served(NODE_GET_CPU_MAP, ({ needMap }) => {
      const { cpus } = node();
      return { map: needMap === 0 ? new Uint8Array(0) : onesOf(cpus), online: cpus, present: cpus };
    }),
    // collectd does without events, but not without asking for them.
    served(procedures.CONNECT_DOMAIN_EVENT_REGISTER_ANY, () => undefined),
    served(procedures.CONNECT_DOMAIN_EVENT_DEREGISTER_ANY, () => undefined),
    served(procedures.CONNECT_LIST_ALL_DOMAINS, async ({ needResults, flags }, options) => {
      const domains = await listed(view, flags, options);
      return { domains: needResults === 0 ? [] : domains, count: domains.length };
    }),
    served(procedures.CONNECT_NUM_OF_DOMAINS, async (_args, options) => (await view.all(options)).length),
    served(procedures.CONNECT_LIST_DOMAINS, async (max, options) =>
      (await view.all(options)).slice(0, Math.max(0, max)).map(({ id }) => id),
    ),
    served(procedures.CONNECT_NUM_OF_DEFINED_DOMAINS, () => 0),
    served(procedures.CONNECT_LIST_DEFINED_DOMAINS, () => []),
    served(procedures.DOMAIN_LOOKUP_BY_ID, (id, options) => view.byId(id, options)),
    served(procedures.DOMAIN_LOOKUP_BY_NAME, (name, options) => view.byName(name, options)),
    served(procedures.DOMAIN_LOOKUP_BY_UUID, (uuid, options) => view.byUuid(uuid, options)),
    served(procedures.CONNECT_GET_ALL_DOMAIN_STATS, (request, options) => bulkStatistics(view, request, options)),
  ];
}

/** @throws LibvirtRefusal for flags that do not exist */
async function listed(
  view: CallerView,
  flags: number,
  options: { readonly signal: AbortSignal },
): Promise<readonly DomainReference[]> {
  const { fitting, empty } = OTHER_FILTERS;
  const unknown = (flags & ~(FILTERS | fitting | empty)) >>> 0;
  if (unknown !== 0) throw LibvirtRefusal.ofFlags(unknown, 'qemuConnectListAllDomains');
  if (FAMILIES.some((family) => (flags & family) !== 0 && (flags & family & fitting) === 0)) return [];
  const facts = await view.allFacts(needsState(flags) ? STATE_NEEDS : [], options);
  return facts.filter((each) => isFitting(each, flags)).map(({ domain }) => view.reference(domain));
}

/** A map whose first bits are set. */
function onesOf(count: number): Uint8Array {
  const map = new Uint8Array(Math.ceil(count / 8));
  for (let bit = 0; bit < count; bit++) map[bit >> 3] = (map[bit >> 3] ?? 0) | (1 << (bit & 7));
  return map;
}

/** `7.2.22` as libvirt has it: 7002022. */
function versionNumber(text: string | undefined): bigint | undefined {
  const [, major, minor, micro] = /^(\d{1,4})\.(\d{1,3})\.(\d{1,3})/.exec(text ?? '') ?? [];
  if (major === undefined || minor === undefined || micro === undefined) return undefined;
  return BigInt(major) * 1_000_000n + BigInt(minor) * 1000n + BigInt(micro);
}
