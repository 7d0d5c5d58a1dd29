import type { PackedStats, Reading, StatEntry } from './sample.ts';

/** A reading of packed values, which are decoded when they are first looked at. No plain data: a copy of it has no values. */
export class PackedReading implements Reading {
  declare readonly path?: string;
  readonly via: string;
  readonly collectedAtNs: bigint;
  readonly packed: PackedStats;
  #stats: readonly StatEntry[] | undefined;

  constructor(packed: PackedStats, { path, via, collectedAtNs }: Pick<Reading, 'path' | 'via' | 'collectedAtNs'>) {
    if (path !== undefined) this.path = path;
    this.via = via;
    this.collectedAtNs = collectedAtNs;
    this.packed = packed;
  }

  get stats(): readonly StatEntry[] {
    this.#stats ??= numbersOf(this.packed);
    return this.#stats;
  }
}

/** The entries of a form that has single numbers only. */
export function numbersOf({ form, bytes }: PackedStats): readonly StatEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return form.stats.map(({ name }, index) => {
    return { name, value: view.getBigUint64(form.places[index]!.offsetBytes, true) };
  });
}
