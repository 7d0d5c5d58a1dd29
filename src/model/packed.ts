import type { PackedForm, PackedStats, Reading, StatEntry } from './sample.ts';

/**
 * A reading of packed values, which are decoded when they are first looked at. No plain data: a copy of it has no values. It is
 * its own packed values: one object less for each of hundreds of thousands of readings.
 */
export class PackedReading implements Reading, PackedStats {
  declare readonly path?: string;
  readonly via: string;
  readonly collectedAtNs: bigint;
  readonly form: PackedForm;
  readonly bytes: Uint8Array;
  #stats: readonly StatEntry[] | undefined;

  constructor(
    { form, bytes }: PackedStats,
    { path, via, collectedAtNs }: Pick<Reading, 'path' | 'via' | 'collectedAtNs'>,
  ) {
    if (path !== undefined) this.path = path;
    this.via = via;
    this.collectedAtNs = collectedAtNs;
    this.form = form;
    this.bytes = bytes;
  }

  get stats(): readonly StatEntry[] {
    this.#stats ??= numbersOf(this);
    return this.#stats;
  }

  get packed(): PackedStats {
    return this;
  }
}

/** The entries of a form that has single numbers only. */
export function numbersOf({ form, bytes }: PackedStats): readonly StatEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return form.stats.map(({ name }, index) => {
    return { name, value: view.getBigUint64(form.places[index]!.offsetBytes, true) };
  });
}
