import type { JsonObject } from '../json/json.ts';
import { textOf } from './shape.ts';

/**
 * The path of a block device, of what `query-block` and `query-blockstats` tell of it: QEMU gives an id as `qdev` where the
 * device has one, and puts such devices into one place; a drive that no device uses has its own name. Undefined where there is none.
 */
export function devicePath(device: JsonObject): string | undefined {
  const qdev = textOf(device['qdev']);
  if (qdev !== undefined) return qdev.startsWith('/') ? qdev : `/machine/peripheral/${qdev}`;
  return textOf(device['device']);
}
