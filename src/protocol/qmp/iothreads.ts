import type { StatEntry } from '../../model/sample.ts';
import type { JsonValue } from '../json/json.ts';
import { countersOf } from './counters.ts';
import { asArray, asObject, asSmallInteger, asString } from './shape.ts';

/** One I/O thread, as `query-iothreads` tells (qapi/misc.json). */
export interface Iothread {
  /** Its QOM path, made from its id. */
  readonly path: string;
  /** Thread of the VMM, in the VMM's own pid namespace. */
  readonly threadId: number;
  /** Its limits of polling, by QEMU's names; later versions have more. */
  readonly stats: readonly StatEntry[];
}

const KNOWN = ['poll-max-ns', 'poll-grow', 'poll-shrink', 'aio-max-batch'];

/** The I/O threads of a VM, in QEMU's order turned around: it lists the last one first. @throws QMP_REPLY_INVALID */
export function decodeIothreads(reply: JsonValue): readonly Iothread[] {
  return asArray(reply, 'query-iothreads')
    .map((json, index) => {
      const where = `query-iothreads[${index}]`;
      const thread = asObject(json, where);
      return {
        path: `/objects/${asString(thread['id'], `${where}.id`)}`,
        threadId: asSmallInteger(thread['thread-id'], `${where}.thread-id`),
        stats: countersOf(thread, KNOWN),
      };
    })
    .reverse();
}
