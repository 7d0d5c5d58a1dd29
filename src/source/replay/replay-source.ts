import { Recording } from '../../history/recording.ts';
import type { SegmentInfo } from '../../history/segment-info.ts';
import { joinedAll, type Span } from '../../history/span.ts';
import { whileWanted } from '../../host/deadline.ts';
import type { Availability, Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import { isPathSelected } from '../../model/filter.ts';
import type { CallOptions, FoundDomain, Provider, Source, StatsRequest } from '../../model/provider.ts';
import type { Reading } from '../../model/sample.ts';
import type { Schema } from '../../model/stat.ts';
import { parseReplayUri, type ReplayAddress } from './uri.ts';
import { WindowReader } from './window.ts';

const VIA_REPLAY = 'replay';

/** How long after its last sample a domain is still there, in sweeps. */
const LINGER_SWEEPS = 3n;

/**
 * A recording as a source like any other. It plays from the first question for values on: each object has the last sample that
 * it had at the moment that is played, with the time at which it was collected. At the end it stays at the last values.
 */
export class ReplaySource implements Source {
  readonly uri: string;
  readonly #address: ReplayAddress;
  readonly #elapsedNs: () => bigint;
  #opened: Promise<Recording> | undefined;
  /** Ends opening. */
  #closing = new AbortController();
  #readers = new Map<string, WindowReader>();
  /** When the first values were asked for, on the clock of {@link ReplaySource.#elapsedNs}. */
  #sinceNs: bigint | undefined;

  /** `elapsedNs` is a clock that always goes on: for tests. @throws URI_INVALID; see {@link parseReplayUri} */
  constructor(uri: string, elapsedNs: () => bigint = () => BigInt(Math.round(performance.now() * 1e6))) {
    this.uri = uri;
    this.#address = parseReplayUri(uri);
    this.#elapsedNs = elapsedNs;
  }

  /** @throws what {@link Recording.open} throws */
  async scan({ signal }: CallOptions): Promise<readonly FoundDomain[]> {
    const recording = await this.#open(signal);
    const atNs = this.#positionOf(recording);
    const lingerNs = BigInt(recording.everyMs) * 1_000_000n * LINGER_SWEEPS;
    const there = domainsOf(recording).filter(
      ({ startNs, endNs }) => startNs <= atNs && (atNs <= endNs + lingerNs || endNs === recording.span.endNs),
    );
    return [
      ...there.map((entry) => this.#foundOf(recording, entry)),
      ...recording.unusable.map(({ path, error }) => failedDomain(this.uri, path, error)),
    ];
  }

  async close(): Promise<void> {
    this.#closing.abort(new VirtstatError('CLOSED', `${this.uri} was closed`));
    this.#closing = new AbortController();
    const opened = this.#opened;
    this.#opened = undefined;
    await (await opened?.catch(() => undefined))?.close();
  }

  /** Opening ten thousand files takes longer than a search may: it goes on, and the next search finds it further, or done. */
  #open(signal: AbortSignal): Promise<Recording> {
    if (this.#opened === undefined) {
      const opened = Recording.open(this.#address.path, { signal: this.#closing.signal });
      this.#opened = opened;
      opened.catch(() => this.#opened === opened && (this.#opened = undefined));
    }
    return whileWanted(this.#opened, signal, `the recording ${this.#address.path}`);
  }

  /** The moment that is played: nanoseconds since 1970. */
  #positionOf({ span, everyMs }: Recording): bigint {
    const { from, speed } = this.#address;
    // The first sweep is over after one interval: until then not every object has a sample.
    const startNs = from === 'start' ? span.startNs + BigInt(everyMs) * 500_000n : from === 'end' ? span.endNs : from;
    const elapsedNs = this.#sinceNs === undefined ? 0n : this.#elapsedNs() - this.#sinceNs;
    const atNs = startNs + BigInt(Math.round(Number(elapsedNs) * speed));
    return atNs > span.endNs ? span.endNs : atNs;
  }

  #foundOf(recording: Recording, { domain, schemas }: RecordedDomain): FoundDomain {
    const described: Domain = { ...domain, source: this.uri };
    const provider = (name: string): Provider => {
      const own = schemas.filter((schema) => schema.provider === name);
      return {
        name,
        targets: [...new Set(own.map(({ target }) => target))],
        schemas: async () => own,
        stats: (_, request, { signal }) => this.#stats(recording, domain.id, own, request, signal),
      };
    };
    const providers = [...new Set(schemas.map((schema) => schema.provider))].map(provider);
    const availability = schemas.map(
      ({ provider: name, target }): Availability => ({ provider: name, target, via: VIA_REPLAY, available: true }),
    );
    return {
      domain: described,
      providers: async () => providers,
      describe: async () => described,
      availability: async () => availability,
    };
  }

  async #stats(
    recording: Recording,
    domainId: string,
    schemas: readonly Schema[],
    { target, paths }: StatsRequest,
    signal: AbortSignal,
  ): Promise<readonly Reading[]> {
    this.#sinceNs ??= this.#elapsedNs();
    const schema = schemas.find((own) => own.target === target);
    if (schema === undefined) return [];
    const key = JSON.stringify(schema);
    let reader = this.#readers.get(key);
    if (reader === undefined) this.#readers.set(key, (reader = new WindowReader(recording, schema)));
    const readings = await reader.readings(domainId, this.#positionOf(recording), signal);
    return readings.filter(({ path }) => isPathSelected(paths, path));
  }
}

/** A domain as one `id` was recorded, under the name that it had last. */
interface RecordedDomain extends Span {
  readonly domain: Domain;
  readonly schemas: readonly Schema[];
}

function domainsOf(recording: Recording): readonly RecordedDomain[] {
  const pieces = recording.segments.flatMap(({ info }) => info.domains.map((piece) => ({ info, piece })));
  return [...Map.groupBy(pieces, ({ piece }) => piece.domain.id).values()].map((ofDomain) => ({
    domain: ofDomain.at(-1)!.piece.domain,
    ...joinedAll(ofDomain.map(({ piece }) => piece)),
    schemas: schemasOf(ofDomain),
  }));
}

/** By provider and target, each as it was last. */
function schemasOf(
  pieces: readonly { readonly info: SegmentInfo; readonly piece: SegmentInfo['domains'][number] }[],
): readonly Schema[] {
  const all = pieces.flatMap(({ info, piece }) => piece.objects.map(({ schema }) => info.schemas[schema]!));
  return [...new Map(all.map((schema) => [JSON.stringify([schema.provider, schema.target]), schema])).values()];
}

function failedDomain(source: string, path: string, error: Error): FoundDomain {
  const fail = async (): Promise<never> => {
    throw error;
  };
  return {
    domain: { id: `replay:${path}`, name: path, source },
    providers: fail,
    describe: fail,
    availability: fail,
  };
}
