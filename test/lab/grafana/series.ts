import { pushFamilies } from '../../../src/export/own-families.ts';
import { daemonFamilies, scrapeFamilies } from '../../../src/face/http/scrape-families.ts';
import { CURATED_STATS } from '../../../src/metrics/curated-stats.ts';
import { domainFamilies } from '../../../src/metrics/domain-families.ts';
import { CURATED } from '../../../src/metrics/profile.ts';
import type { Schema } from '../../../src/model/stat.ts';
import { familyOf } from '../../../src/protocol/openmetrics/names.ts';
import { seriesName } from '../../../src/protocol/openmetrics/writer.ts';
import { describeBlockStat } from '../../../src/protocol/qmp/block-descriptors.ts';
import { INTERFACE_SCHEMA } from '../../../src/source/local/interface-provider.ts';
import { CPU_TIME, PROCESS_SHEETS, vcpuSheets } from '../../../src/source/process/stats.ts';
import { DEVICE_STATS, GUEST_STATS } from '../../../src/source/qemu/providers/balloon.ts';
import { STATE_STATS } from '../../../src/source/qemu/providers/state.ts';

/** Descriptors of our own providers, as their code has them; of disks QEMU's convention for names describes each. */
const SCHEMAS: readonly Schema[] = [
  { provider: 'state', target: 'vm', stats: STATE_STATS },
  { provider: 'balloon', target: 'vm', stats: [...GUEST_STATS, ...DEVICE_STATS] },
  {
    provider: 'block',
    target: 'block',
    stats: [...(CURATED_STATS.get('block/block')?.keys() ?? [])].map((name) => describeBlockStat({ name, value: 0n })),
  },
  INTERFACE_SCHEMA,
  { provider: 'process', target: 'vm', stats: [CPU_TIME, ...PROCESS_SHEETS.flatMap(({ stats }) => stats)] },
  {
    provider: 'process',
    target: 'vcpu',
    stats: vcpuSheets({ ticks: undefined, hasWaits: false }).flatMap(({ stats }) => stats),
  },
];

/** Names of the series of stats that the curated profile shows, by `provider/target/stat`. */
const OF_STATS: ReadonlyMap<string, string> = new Map(
  SCHEMAS.flatMap((schema) =>
    schema.stats
      .filter((stat) => CURATED.shows(schema, stat) !== undefined)
      .map((stat) => [`${schema.provider}/${schema.target}/${stat.name}`, seriesName(familyOf(schema, stat))] as const),
  ),
);

const NOTHING_SENT = { batches: 0, samples: 0, bytes: 0 };
const NOTHING_SCRAPED = {
  profile: CURATED.name,
  durationNs: 0n,
  domains: 0,
  dropped: { budget: 0, name: 0 },
  maxSeries: 0,
};

/** Names of the series that virtstatd has of VMs, scrapes, pushes and itself. */
const OF_ITSELF: ReadonlySet<string> = new Set(
  [
    ...domainFamilies([]),
    ...daemonFamilies(''),
    ...scrapeFamilies(NOTHING_SCRAPED, () => 0),
    ...pushFamilies([
      { name: '', protocol: 'otlp', waiting: NOTHING_SENT, sent: 0, dropped: new Map(), isFailing: false },
    ]),
  ].map(seriesName),
);

/** Name of the series of a stat, `provider/target/stat`. @throws where the curated profile has none */
export function stat(path: string): string {
  const name = OF_STATS.get(path);
  if (name === undefined) throw new Error(`the curated profile does not show ${path} of any provider of ours`);
  return name;
}

/** A series of virtstatd's own, by its name. @throws where it has none of that name */
export function own(name: string): string {
  if (!OF_ITSELF.has(name)) throw new Error(`virtstatd has no series ${name}`);
  return name;
}

/** A pattern of the names of all that counts up and that KVM describes: which these are, only the kernel knows. */
export function kvmCounters(): string {
  const any = familyOf({ provider: 'kvm', target: 'kvm' }, { name: 'any', type: 'cumulative', exponent: 0 });
  return seriesName(any).replace('any', '.+');
}
