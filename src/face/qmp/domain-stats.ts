import type { Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import { isPathSelected, type ProviderFilter, selectNames } from '../../model/filter.ts';
import type { CallOptions } from '../../model/provider.ts';
import type { Sample } from '../../model/sample.ts';
import type { Schema, StatDescriptor } from '../../model/stat.ts';
import { reportedEntries } from '../../protocol/qmp/reported.ts';
import type { StatsWords } from '../../protocol/qmp/server/commands.ts';
import type { StatsResult } from '../../protocol/qmp/stats-reply.ts';
import type { DomainAnswer, SampleAnswer } from '../../registry/answer.ts';
import type { Reader } from '../face.ts';

/** What one request selects of a target. */
export interface StatsSelection {
  readonly target: string;
  /** Absent: every provider. */
  readonly providers?: readonly ProviderFilter[];
  /** Absent: every object. */
  readonly paths?: readonly string[];
}

/**
 * The statistics of one domain as one reader may see them, of QEMU's own providers only. Whatever a request selects, the
 * whole target is collected, once for all who ask within `maxAgeMs`: no reader can make QEMU work by asking for something
 * else than the others.
 */
export class DomainStats {
  readonly #domain: Domain;
  readonly #reader: Reader;
  readonly #words: StatsWords;
  readonly #maxAgeMs: number;
  /** By target; they stay the same while the VM lives. */
  readonly #descriptors = new Map<string, DescriptorsByProvider>();

  /** `words` are QEMU's own, in its order; values up to `maxAgeMs` old will do. */
  constructor(domain: Domain, reader: Reader, words: StatsWords, maxAgeMs: number) {
    this.#domain = domain;
    this.#reader = reader;
    this.#words = words;
    this.#maxAgeMs = maxAgeMs;
  }

  /** All samples of a target, ascending; the same array while they are the same. @throws what kept them away */
  async samples(target: string, { signal }: CallOptions): Promise<readonly Sample[]> {
    const providers = this.#words.providers.map((provider) => ({ provider }));
    const domains = [this.#domain.uuid ?? this.#domain.name];
    const answers = await this.#reader.query({ target, providers }, { domains, maxAgeMs: this.#maxAgeMs, signal });
    return this.#itemsOf<Sample>(answers as readonly SampleAnswer[]);
  }

  /** What a request selects of samples, in the order of its entries, as far as QEMU would report it. */
  async select(
    samples: readonly Sample[],
    { target, providers, paths }: StatsSelection,
    options: CallOptions,
  ): Promise<readonly StatsResult[]> {
    const descriptors = await this.#describedBy(target, options);
    const entries = providers ?? this.#words.providers.map((provider): ProviderFilter => ({ provider }));
    return entries.flatMap(({ provider, names }) =>
      samples
        .filter((sample) => sample.provider === provider && isPathSelected(paths, sample.path))
        .map(({ path, stats }) => ({
          provider,
          ...(path !== undefined && { path }),
          stats: reportedEntries(selectNames(stats, names), descriptors.get(provider) ?? NOTHING),
        })),
    );
  }

  /**
   * The schemas of QEMU's providers, or of one of them, of QEMU's targets, or of one of those: what is measured of others
   * is not asked for.
   * @throws what kept them away
   */
  async schemas(
    { signal }: CallOptions,
    { provider, target }: Partial<Pick<Schema, 'provider' | 'target'>> = {},
  ): Promise<readonly Schema[]> {
    const read = { domains: [this.#domain.uuid ?? this.#domain.name], signal };
    const targets = target === undefined ? this.#words.targets : [target];
    const answers = await Promise.all(targets.map((each) => this.#reader.schemas({ ...read, target: each })));
    const schemas = this.#itemsOf(answers.flat());
    const wanted = provider === undefined ? this.#words.providers : [provider];
    return wanted.flatMap((name) => schemas.filter((schema) => schema.provider === name));
  }

  /** Nothing where it cannot be found out now: values that are there are told all the same. */
  async #describedBy(target: string, options: CallOptions): Promise<DescriptorsByProvider> {
    const known = this.#descriptors.get(target);
    if (known !== undefined) return known;
    const schemas = await this.schemas(options, { target }).catch((): readonly Schema[] => []);
    const found: DescriptorsByProvider = new Map(
      schemas.map(({ provider, stats }) => [provider, new Map(stats.map((stat) => [stat.name, stat]))]),
    );
    if (found.size > 0) this.#descriptors.set(target, found);
    return found;
  }

  /** Names and uuids may be shared: the id tells. The items of one answer stay the same array. */
  #itemsOf<T>(answers: readonly DomainAnswer<T>[]): readonly T[] {
    const own = answers.filter(({ domain }) => domain.id === this.#domain.id);
    if (own.length === 0) throw new VirtstatError('DOMAIN_GONE', `${this.#domain.name} is no longer there`);
    const [only, ...others] = own.map((answer) => answer.items);
    const items = only !== undefined && others.length === 0 ? only : own.flatMap((answer) => answer.items);
    const [error] = own.flatMap(({ errors }) => errors);
    if (items.length === 0 && error !== undefined) throw error;
    return items;
  }
}

type DescriptorsByProvider = ReadonlyMap<string, ReadonlyMap<string, StatDescriptor>>;

const NOTHING: ReadonlyMap<string, StatDescriptor> = new Map();
