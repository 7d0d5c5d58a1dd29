import type { StatEntry } from '../../model/sample.ts';
import type { JsonObject, JsonValue } from '../json/json.ts';
import { counterOf, countersOf } from './counters.ts';
import { asArray, asObject, asString, invalidReply, objectOf } from './shape.ts';

/** Sizes of an image, as QEMU tells wherever it describes one (qapi/block-core.json, `BlockNodeInfo`). */
export interface BlockImage {
  /** `virtual-size`: what the guest sees, in bytes. */
  readonly capacity?: bigint;
  /** `actual-size`: what it takes up where it lies, in bytes; absent where QEMU cannot tell. */
  readonly physical?: bigint;
}

/** A node of the block layer, as `query-named-block-nodes` tells. */
export interface BlockNode extends BlockImage {
  /** `write_threshold`: an event is sent when a write goes beyond it, in bytes; absent where none is wanted. */
  readonly writeThreshold?: bigint;
  /** `image.limits`, by QEMU's names: sizes and alignments in bytes, numbers of segments. QEMU has them from 10.2 on. */
  readonly limits?: readonly StatEntry[];
}

/** Most limits of one node. */
export const MAX_NODE_LIMITS = 256;

/** Most nodes of one reply: each device may have several. */
export const MAX_BLOCK_NODES = 65_536;

/** The nodes by their names. @throws QMP_REPLY_INVALID */
export function decodeBlockNodes(reply: JsonValue): ReadonlyMap<string, BlockNode> {
  const items = asArray(reply, 'query-named-block-nodes');
  if (items.length > MAX_BLOCK_NODES) {
    throw invalidReply('query-named-block-nodes', `a list of at most ${MAX_BLOCK_NODES} nodes`);
  }
  return new Map(
    items.map((json, index) => {
      const where = `query-named-block-nodes[${index}]`;
      const node = asObject(json, where);
      const image = asObject(node['image'], `${where}.image`);
      const limits = objectOf(image['limits']) ?? {};
      const names = Object.keys(limits);
      if (names.length > MAX_NODE_LIMITS) throw invalidReply(where, `a node of at most ${MAX_NODE_LIMITS} limits`);
      const threshold = counterOf(node['write_threshold']);
      return [
        asString(node['node-name'], `${where}.node-name`),
        {
          ...sizesOf(image),
          // QEMU says 0 where there is none.
          ...(threshold !== undefined && threshold !== 0n && { writeThreshold: threshold }),
          ...(names.length > 0 && { limits: countersOf(limits, names) }),
        },
      ];
    }),
  );
}

/** The sizes in a description of an image. */
export function sizesOf(image: JsonObject): BlockImage {
  const [capacity, physical] = [counterOf(image['virtual-size']), counterOf(image['actual-size'])];
  return { ...(capacity !== undefined && { capacity }), ...(physical !== undefined && { physical }) };
}
