import type { JsonObject, JsonValue } from '../json/json.ts';
import { type BlockImage, sizesOf } from './block-nodes.ts';
import { devicePath } from './block-path.ts';
import { asArray, asObject, invalidReply, objectOf, textOf } from './shape.ts';

/** A block device of a VM and what is in it, as `query-block` tells (qapi/block-core.json, `BlockInfo`). */
export interface BlockBackend {
  /** Path of the device that uses it, as the statistics have it; absent for a drive that none uses. */
  readonly path?: string;
  /** True where its medium may be taken out. */
  readonly isRemovable: boolean;
  /** What is in it; absent for an empty drive. */
  readonly medium?: BlockMedium;
}

/** What is in a block device. */
export interface BlockMedium {
  /** The uppermost node; absent from QEMUs that do not tell. */
  readonly nodeName?: string;
  /** The file, in QEMU's words: a path, or `nbd://…`, `json:{…}`. */
  readonly file: string;
  /** `qcow2`, `raw`, …; absent where QEMU does not tell. */
  readonly format?: string;
  readonly isReadOnly: boolean;
  /** The images below it, of which each lacks what the one above has of its own; the uppermost first. */
  readonly backing: readonly BackingImage[];
}

/** An image below another one. */
export interface BackingImage extends BlockImage {
  /** The file, in QEMU's words. */
  readonly file: string;
  /** `qcow2`, `raw`, …; absent where QEMU does not tell. */
  readonly format?: string;
}

/** Most images of one chain: QEMU itself takes fewer. */
export const MAX_BACKING_IMAGES = 1024;

/** Most devices of one reply: more than a machine has places for. */
export const MAX_BLOCK_BACKENDS = 16_384;

/** The block devices of a VM, in QEMU's order. @throws QMP_REPLY_INVALID */
export function decodeBlockBackends(reply: JsonValue): readonly BlockBackend[] {
  const items = asArray(reply, 'query-block');
  if (items.length > MAX_BLOCK_BACKENDS) {
    throw invalidReply('query-block', `a list of at most ${MAX_BLOCK_BACKENDS} devices`);
  }
  return items.map((json, index) => {
    const item = asObject(json, `query-block[${index}]`);
    const path = devicePath(item);
    const medium = mediumOf(item['inserted']);
    return {
      ...(path !== undefined && { path }),
      isRemovable: item['removable'] === true,
      ...(medium !== undefined && { medium }),
    };
  });
}

function mediumOf(inserted: JsonValue | undefined): BlockMedium | undefined {
  const medium = objectOf(inserted);
  if (medium === undefined) return undefined;
  const [file, nodeName, format] = ['file', 'node-name', 'drv'].map((name) => textOf(medium[name]));
  return {
    file: file ?? '',
    ...(nodeName !== undefined && { nodeName }),
    ...(format !== undefined && { format }),
    isReadOnly: medium['ro'] === true,
    backing: backingOf(objectOf(medium['image'])),
  };
}

/** @throws QMP_REPLY_INVALID for a chain without end */
function backingOf(image: JsonObject | undefined): readonly BackingImage[] {
  const images: BackingImage[] = [];
  for (let next = objectOf(image?.['backing-image']); next !== undefined; next = objectOf(next['backing-image'])) {
    if (images.length === MAX_BACKING_IMAGES) {
      throw invalidReply('query-block', `a chain of at most ${MAX_BACKING_IMAGES} images`);
    }
    const format = textOf(next['format']);
    images.push({ file: textOf(next['filename']) ?? '', ...(format !== undefined && { format }), ...sizesOf(next) });
  }
  return images;
}
