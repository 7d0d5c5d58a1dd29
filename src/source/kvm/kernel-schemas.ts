import type { Schema, StatDescriptor } from '../../model/stat.ts';

/**
 * What this host's kernel says that it measures, as those learnt who asked it, by stats files or a monitor: for those who have its
 * values without their units. It is the same for every VM; an old VMM may leave something out, so the longest list counts.
 */
export class KernelSchemas {
  readonly #byTarget = new Map<string, readonly StatDescriptor[]>();

  /** Remembers schemas of the provider of KVM. */
  note(schemas: readonly Schema[]): void {
    for (const { target, stats } of schemas) {
      if (stats.length > (this.#byTarget.get(target)?.length ?? 0)) this.#byTarget.set(target, stats);
    }
  }

  /** What it measures of a target; undefined where nobody has asked it. */
  stats(target: string): readonly StatDescriptor[] | undefined {
    return this.#byTarget.get(target);
  }
}
