import type { Sample } from '../model/sample.ts';
import type { Label } from '../protocol/openmetrics/labels.ts';
import { labelName } from '../protocol/openmetrics/names.ts';

/** What tells objects of a target apart for people: QEMU's folders say nothing beside the label's name. */
const FOLDERS = /^\/(objects|machine\/(peripheral|peripheral-anon|unattached))\/(.+?)(\/virtio-backend)?$/;

/** The target whose objects are numbered, as everybody does. */
const VCPU = 'vcpu';

/** The label of the host's device behind an object. */
const DEVICE = 'device';

/**
 * Labels of the objects of one target of one domain, by path: one label, named after the target.
 *
 * | target  | value |
 * | ------- | ----- |
 * | `vcpu`  | 0, 1, …: the order of the paths, as libvirt numbers them |
 * | another | the path without QEMU's folders (`disk0` of `/machine/peripheral/disk0/virtio-backend`), whole where two would be the same |
 *
 * An object that stands for a device of the host has that as `device` beside it.
 */
export class ObjectLabels {
  readonly #name: string;
  readonly #values: ReadonlyMap<string, string>;

  /** @param samples - of one target and one domain, from all providers */
  constructor(target: string, samples: readonly Pick<Sample, 'path'>[]) {
    this.#name = labelName(target);
    const paths = [...new Set(samples.flatMap(({ path }) => path ?? []))];
    this.#values = new Map(target === VCPU ? numbered(paths) : shortened(paths));
  }

  /** Of one sample; none where the target has only one object. */
  of({ path, device }: Pick<Sample, 'path' | 'device'>): readonly Label[] {
    if (path === undefined) return [];
    const label: Label = [this.#name, this.#values.get(path) ?? path];
    return device === undefined ? [label] : [label, [DEVICE, device]];
  }
}

const ASCENDING = new Intl.Collator('en', { numeric: true });

function numbered(paths: readonly string[]): readonly (readonly [path: string, text: string])[] {
  return [...paths].sort(ASCENDING.compare).map((path, index) => [path, String(index)]);
}

function shortened(paths: readonly string[]): readonly (readonly [path: string, text: string])[] {
  const texts = paths.map((path) => FOLDERS.exec(path)?.[3] ?? path);
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return paths.map((path, index) => {
    const text = texts[index] ?? path;
    return [path, counts.get(text) === 1 ? text : path];
  });
}
