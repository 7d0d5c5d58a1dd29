import { nowNs } from '../../../host/clock.ts';
import type { Availability, Domain } from '../../../model/domain.ts';
import type { CallOptions, OfferedProvider, SchemaOptions, StatsRequest } from '../../../model/provider.ts';
import type { Reading, StatEntry } from '../../../model/sample.ts';
import type { Schema, StatDescriptor } from '../../../model/stat.ts';
import {
  blockOrder,
  CAPACITY,
  describeBlockStat,
  LIMIT,
  PHYSICAL,
  WRITE_THRESHOLD,
} from '../../../protocol/qmp/block-descriptors.ts';
import { type BlockNode, decodeBlockNodes } from '../../../protocol/qmp/block-nodes.ts';
import { type BlockDevice, decodeBlockStats } from '../../../protocol/qmp/block-stats.ts';
import { Kept } from '../kept.ts';
import type { Monitor } from '../monitor.ts';
import { unlessRefused } from '../refused.ts';
import { VIA_QMP } from '../via.ts';

const NAME = 'block';
const TARGET = 'block';

/** How long sizes of images stay good, in milliseconds: finding them out costs QEMU more than all counters. */
const IMAGES_MAX_AGE_MS = 10_000;

const IMAGE_STATS: readonly string[] = [CAPACITY, PHYSICAL, WRITE_THRESHOLD];

/** The devices as they were at one time. */
interface Devices {
  readonly devices: readonly BlockDevice[];
  readonly collectedAtNs: bigint;
}

type Images = ReadonlyMap<string, BlockNode>;

const NO_IMAGES: Images = new Map();

/** The provider `block`: each block device of a VM, named by its QOM path. Devices and what is known of them may change. */
export class BlockProvider implements OfferedProvider {
  readonly name: string = NAME;
  readonly targets: readonly string[] = [TARGET];
  readonly #devices: Kept<Devices>;
  readonly #images: Kept<Images>;
  #lastImages: Images | undefined;

  constructor(monitor: Monitor) {
    // Counters are asked for at every turn: only who asks at the same moment shares them.
    this.#devices = new Kept(monitor, { maxAgeMs: 0 }, async (options) => {
      const devices = decodeBlockStats(await monitor.execute('query-blockstats', undefined, options));
      return { devices, collectedAtNs: nowNs() };
    });
    this.#images = new Kept(monitor, { maxAgeMs: IMAGES_MAX_AGE_MS }, async (options) => {
      // One broken image, or one on its way out, must not cost the counters of all.
      const reply = await unlessRefused(monitor.execute('query-named-block-nodes', { flat: true }, options));
      return reply === undefined ? NO_IMAGES : decodeBlockNodes(reply);
    });
  }

  /** What any of the devices has; none for a VM without block devices. @throws as {@link Monitor.execute}; QMP_REPLY_INVALID */
  async schemas(_domain: Domain, options: SchemaOptions): Promise<readonly Schema[]> {
    const [{ devices }, images] = await Promise.all([this.#devices.get(options), this.#images.get(options)]);
    const stats = new Map<string, StatDescriptor>();
    const take = (entry: StatEntry): void => {
      if (!stats.has(entry.name)) stats.set(entry.name, describeBlockStat(entry));
    };
    for (const device of devices) for (const entry of device.stats) take(entry);
    if (devices.some(({ nodeName }) => nodeName !== undefined)) {
      for (const name of IMAGE_STATS) take({ name, value: 0n });
      for (const device of devices) for (const entry of imageStats(device, images)) take(entry);
    }
    if (stats.size === 0) return [];
    const ordered = [...blockOrder(stats.keys()).keys()].flatMap((name) => stats.get(name) ?? []);
    return [{ provider: NAME, target: TARGET, stats: ordered }];
  }

  /** @throws as {@link schemas} */
  async stats(_domain: Domain, { names }: StatsRequest, options: CallOptions): Promise<readonly Reading[]> {
    if (names?.length === 0) return [];
    const wantsImages =
      names === undefined || names.some((name) => IMAGE_STATS.includes(name) || name.startsWith(LIMIT));
    const [{ devices, collectedAtNs }, images] = await Promise.all([
      this.#devices.get(options),
      wantsImages ? this.#images.get(options) : NO_IMAGES,
    ]);
    if (wantsImages) this.#checkImages(devices, images);
    const read = devices.map((device) => ({ device, stats: [...device.stats, ...imageStats(device, images)] }));
    const order = blockOrder(read.flatMap(({ stats }) => stats.map(({ name }) => name)));
    const place = ({ name }: StatEntry): number => order.get(name) ?? order.size;
    return read.map(({ device: { path }, stats }) => ({
      path,
      via: VIA_QMP,
      collectedAtNs,
      stats: stats.sort((a, b) => place(a) - place(b)),
    }));
  }

  /** @throws as {@link schemas} */
  async availability(_domain: Domain, options: CallOptions): Promise<readonly Availability[]> {
    const offer = { provider: NAME, target: TARGET, via: VIA_QMP };
    const { devices } = await this.#devices.get(options);
    if (devices.length > 0) return [{ ...offer, available: true }];
    return [{ ...offer, available: false, reason: 'the VM has no block devices' }];
  }

  /** A disk that came after the images were asked for has them asked for again, together with the counters of the next turn. */
  #checkImages(devices: readonly BlockDevice[], images: Images): void {
    const isOld = images === this.#lastImages;
    this.#lastImages = images;
    const isMissing = devices.some(({ nodeName }) => nodeName !== undefined && !images.has(nodeName));
    if (isOld && isMissing && images !== NO_IMAGES) this.#images.forget();
  }
}

function imageStats({ nodeName, storageName }: BlockDevice, images: Images): readonly StatEntry[] {
  if (nodeName === undefined) return [];
  const { capacity, physical } = images.get(nodeName) ?? {};
  // Where the data lies, limits are those of the host, and a threshold is of use.
  const { writeThreshold, limits = [] } = images.get(storageName ?? nodeName) ?? {};
  const sizes = { [CAPACITY]: capacity, [PHYSICAL]: physical, [WRITE_THRESHOLD]: writeThreshold };
  return [
    ...Object.entries(sizes).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }])),
    ...limits.map(({ name, value }) => ({ name: LIMIT + name, value })),
  ];
}
