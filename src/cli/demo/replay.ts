import { nowNs } from '../../host/clock.ts';
import type { Availability, Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions, FoundDomain, Provider, SchemaOptions, Source, StatsRequest } from '../../model/provider.ts';
import type { Reading, StatEntry, StatValue } from '../../model/sample.ts';
import { isMonotonic, type Schema, type StatDescriptor } from '../../model/stat.ts';
import { KvmFileSource } from '../../source/kvm-file/kvm-file-source.ts';

/** How readings of a replay are marked. */
const VIA_REPLAY = 'replay';

/** How long each capture is shown, in milliseconds. */
export const FRAME_MS = 1000;

/** What the replayed VM is called. */
const DOMAIN_NAME = 'replay';

/**
 * Captures of one VM at several times, shown one after the other for ever. What only grows goes on growing from loop to
 * loop: each adds what the whole of the captures counted. Everything else is as captured.
 */
export class ReplaySource implements Source {
  readonly uri: string;
  readonly #captures: KvmFileSource;
  readonly #elapsedMs: () => number;
  #found: Promise<readonly FoundDomain[]> | undefined;

  /** `folder` holds the captures; those of a later time have names that sort later. `elapsedMs` is for tests. */
  constructor(folder: string, elapsedMs: () => number = stopwatch()) {
    this.uri = `kvm+file:${folder}`;
    this.#captures = new KvmFileSource([this.uri]);
    this.#elapsedMs = elapsedMs;
  }

  /** @throws NOTHING_MATCHED where the folder has no capture */
  scan(options: CallOptions): Promise<readonly FoundDomain[]> {
    this.#found ??= this.#open(options);
    this.#found.catch(() => (this.#found = undefined));
    return this.#found;
  }

  close(): Promise<void> {
    return this.#captures.close();
  }

  async #open(options: CallOptions): Promise<readonly FoundDomain[]> {
    const captured = [...(await this.#captures.scan(options))].sort(byName);
    const [first] = captured;
    if (first === undefined) {
      throw new VirtstatError('NOTHING_MATCHED', `${this.uri} has no captures to replay; install virtstat anew`);
    }
    const frames = (await Promise.all(captured.map((found) => found.providers(options)))).flat();
    const { vcpus } = await first.describe(options);
    const domain: Domain = { id: this.uri, name: DOMAIN_NAME, source: this.uri, ...(vcpus !== undefined && { vcpus }) };
    return [
      {
        domain,
        providers: async () => [new ReplayProvider(frames, () => Math.floor(this.#elapsedMs() / FRAME_MS))],
        describe: async () => domain,
        availability: async (call) => (await first.availability(call)).map(replayed),
      },
    ];
  }
}

/** The provider of the captures, each of them being asked in its turn. */
class ReplayProvider implements Provider {
  readonly name: string;
  readonly targets: readonly string[];
  readonly #frames: readonly Provider[];
  readonly #step: () => number;

  constructor(frames: readonly Provider[], step: () => number) {
    const [first] = frames;
    this.name = first?.name ?? '';
    this.targets = first?.targets ?? [];
    this.#frames = frames;
    this.#step = step;
  }

  async schemas(domain: Domain, options: SchemaOptions): Promise<readonly Schema[]> {
    return this.#frames[0]?.schemas(domain, options) ?? [];
  }

  async stats(domain: Domain, request: StatsRequest, options: CallOptions): Promise<readonly Reading[]> {
    const step = this.#step();
    // The last capture is the first of the next loop, so that no step stands still.
    const stepsPerLoop = Math.max(1, this.#frames.length - 1);
    const read = async (index: number): Promise<readonly Reading[]> =>
      (await this.#frames.at(index)?.stats(domain, request, options)) ?? [];
    const [first, current, last] = await Promise.all([read(0), read(step % stepsPerLoop), read(-1)]);
    const { stats = [] } = (await this.schemas(domain, options)).find(({ target }) => target === request.target) ?? {};
    const loops = BigInt(Math.floor(step / stepsPerLoop));
    const collectedAtNs = nowNs();
    return current.map((reading) => ({
      ...(reading.path !== undefined && { path: reading.path }),
      via: VIA_REPLAY,
      collectedAtNs,
      stats: goOn(reading.stats, statsOf(first, reading), statsOf(last, reading), loops, monotonicNames(stats)),
    }));
  }
}

/** The entries after this many loops from the first to the last. */
function goOn(
  entries: readonly StatEntry[],
  first: ReadonlyMap<string, StatValue>,
  last: ReadonlyMap<string, StatValue>,
  loops: bigint,
  growing: ReadonlySet<string>,
): readonly StatEntry[] {
  return entries.map(({ name, value }) => {
    const from = first.get(name);
    const to = last.get(name);
    if (!growing.has(name) || from === undefined || to === undefined) return { name, value };
    return { name, value: plusLoops(value, from, to, loops) };
  });
}

function plusLoops(value: StatValue, from: StatValue, to: StatValue, loops: bigint): StatValue {
  if (typeof value === 'bigint' && typeof from === 'bigint' && typeof to === 'bigint') {
    return value + loops * (to - from);
  }
  if (typeof value !== 'object' || typeof from !== 'object' || typeof to !== 'object') return value;
  return value.map((count, index) => count + loops * ((to[index] ?? 0n) - (from[index] ?? 0n)));
}

function statsOf(readings: readonly Reading[], { path }: Reading): ReadonlyMap<string, StatValue> {
  const same = readings.find((reading) => reading.path === path);
  return new Map(same?.stats.map(({ name, value }) => [name, value]));
}

function monotonicNames(stats: readonly StatDescriptor[]): ReadonlySet<string> {
  return new Set(stats.filter(isMonotonic).map(({ name }) => name));
}

function replayed(availability: Availability): Availability {
  return { ...availability, via: VIA_REPLAY };
}

function byName(a: FoundDomain, b: FoundDomain): number {
  return a.domain.name < b.domain.name ? -1 : 1;
}

function stopwatch(): () => number {
  const startMs = performance.now();
  return () => performance.now() - startMs;
}
