import type { JsonValue } from '../json/json.ts';
import { counterOf } from './counters.ts';
import { asArray, asObject, asString, invalidReply } from './shape.ts';

/** The image behind a node of the block layer, as `query-named-block-nodes` tells (qapi/block-core.json). */
export interface BlockImage {
  /** `virtual-size`: what the guest sees, in bytes. */
  readonly capacity?: bigint;
  /** `actual-size`: what it takes up where it lies, in bytes; absent where QEMU cannot tell. */
  readonly physical?: bigint;
}

/** Most nodes of one reply: each device may have several. */
export const MAX_BLOCK_NODES = 65_536;

/** The images by the names of their nodes. @throws QMP_REPLY_INVALID */
export function decodeBlockNodes(reply: JsonValue): ReadonlyMap<string, BlockImage> {
  const items = asArray(reply, 'query-named-block-nodes');
  if (items.length > MAX_BLOCK_NODES) {
    throw invalidReply('query-named-block-nodes', `a list of at most ${MAX_BLOCK_NODES} nodes`);
  }
  return new Map(
    items.map((json, index) => {
      const where = `query-named-block-nodes[${index}]`;
      const node = asObject(json, where);
      const image = asObject(node['image'], `${where}.image`);
      const [capacity, physical] = [counterOf(image['virtual-size']), counterOf(image['actual-size'])];
      return [
        asString(node['node-name'], `${where}.node-name`),
        { ...(capacity !== undefined && { capacity }), ...(physical !== undefined && { physical }) },
      ];
    }),
  );
}
