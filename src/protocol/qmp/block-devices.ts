import type { JsonObject, JsonValue } from '../json/json.ts';
import { asArray, asObject, invalidReply } from './shape.ts';

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
}

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
    const path = pathOf(item);
    const medium = mediumOf(item['inserted']);
    return {
      ...(path !== undefined && { path }),
      isRemovable: item['removable'] === true,
      ...(medium !== undefined && { medium }),
    };
  });
}

function mediumOf(inserted: JsonValue | undefined): BlockMedium | undefined {
  if (typeof inserted !== 'object' || inserted === null || Array.isArray(inserted)) return undefined;
  const [file, nodeName, format] = ['file', 'node-name', 'drv'].map((name) => textOf((inserted as JsonObject)[name]));
  return {
    file: file ?? '',
    ...(nodeName !== undefined && { nodeName }),
    ...(format !== undefined && { format }),
    isReadOnly: (inserted as JsonObject)['ro'] === true,
  };
}

/** QEMU gives an id where the device has one, and puts such devices into one place. */
function pathOf(item: JsonObject): string | undefined {
  const qdev = textOf(item['qdev']);
  if (qdev !== undefined) return qdev.startsWith('/') ? qdev : `/machine/peripheral/${qdev}`;
  return textOf(item['device']);
}

/** QEMU says `""` where there is none. */
function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
