import { processStartNs } from '../host/start-time.ts';
import type { DomainValues } from '../metrics/collect.ts';
import { ObjectLabels } from '../metrics/object-labels.ts';
import type { Domain } from '../model/domain.ts';
import { OWN_PROVIDERS } from '../model/own-providers.ts';
import { NAMESPACE } from '../protocol/otlp/names.ts';
import { OtlpObject } from '../protocol/otlp/writer.ts';
import type { ShownSample } from './shown-samples.ts';

/** The provider of our own whose counters are QEMU's. */
const OF_THE_VMM = 'block';

/** Most objects of a domain that are remembered; then all are forgotten, and made anew. */
const MAX_KNOWN = 10_000;

/** Labels of a domain's objects, by target. */
export type LabelsByTarget = ReadonlyMap<string, ObjectLabels>;

interface KnownObject {
  readonly object: OtlpObject;
  lastNs: bigint;
}

/** The objects of one domain as points of OTLP have them, kept from one collection to the next. */
export class DomainObjects {
  readonly #domain: Domain;
  readonly #startNs: bigint | undefined;
  readonly #known = new Map<string, KnownObject>();
  #label = '';

  constructor(domain: Domain) {
    this.#domain = domain;
    this.#startNs = domain.pid === undefined ? undefined : processStartNs(domain.pid);
  }

  /** What names the objects of this collection. */
  labelsOf({ label, samples }: DomainValues): LabelsByTarget {
    if (label !== this.#label) this.#known.clear();
    this.#label = label;
    const byTarget = Map.groupBy(samples, ({ target }) => target);
    return new Map([...byTarget].map(([target, ofTarget]) => [target, new ObjectLabels(target, ofTarget)]));
  }

  /** What a sample is about; undefined where this very sample was given before. */
  of({ sample, isSum }: ShownSample, labels: LabelsByTarget): OtlpObject | undefined {
    const { provider, target, path, collectedAtNs } = sample;
    const own = labels.get(target)?.of(sample) ?? [];
    const key = JSON.stringify([provider, target, path, isSum, ...own]);
    let known = this.#known.get(key);
    if (known?.lastNs === collectedAtNs) return undefined;
    if (known === undefined) {
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      const { uuid } = this.#domain;
      const attributes = [
        ['domain.name', this.#label] as const,
        ...(uuid === undefined ? [] : [['domain.uuid', uuid] as const]),
        ...own,
      ].map(([name, value]) => [`${NAMESPACE}.${name}`, value] as const);
      known = { object: new OtlpObject(attributes, this.#startOf(provider)), lastNs: collectedAtNs };
      this.#known.set(key, known);
    }
    known.lastNs = collectedAtNs;
    return known.object;
  }

  /**
   * When a provider's counters were 0: what QEMU and the kernel count for a VM begins with its process. A tap's counters may be older
   * than the VM, as may a control group's, and a guest's begin with every boot: of those nothing is said.
   */
  #startOf(provider: string): bigint | undefined {
    return OWN_PROVIDERS.has(provider) && provider !== OF_THE_VMM ? undefined : this.#startNs;
  }
}
