import type { PackedForm, PackedStats, StatEntry } from '../../model/sample.ts';
import { IS_LITTLE_ENDIAN } from '../../model/u64.ts';
import type { Numbers } from '../../protocol/proc/words.ts';
import type { Sheet } from './stats.ts';

/** What a thread tells: packed where nothing is missing, as it is nearly always. */
export type Told = PackedStats | readonly StatEntry[];

const VALUE_BYTES = 8;

const forms = new WeakMap<readonly Sheet[], PackedForm>();

/** The form of all values of the sheets; the same for the same list of sheets. */
export function formOf(sheets: readonly Sheet[]): PackedForm {
  let form = forms.get(sheets);
  if (form === undefined) {
    const stats = sheets.flatMap((sheet) => sheet.stats);
    const places = stats.map((_, index) => ({ offsetBytes: index * VALUE_BYTES, size: 1 }));
    forms.set(sheets, (form = { stats, places }));
  }
  return form;
}

/**
 * `count` values one behind the other, those after the ones of the sheets as they are `before`, where that is given; undefined where
 * one is missing, or there are more than anybody has.
 */
export function pack(sheets: readonly (Numbers | undefined)[], count: number, before?: Buffer): Buffer | undefined {
  if (!IS_LITTLE_ENDIAN || count > VALUES.length) return undefined;
  let at = 0;
  for (const numbers of sheets) {
    if (numbers === undefined) return undefined;
    for (const value of numbers) {
      if (value === undefined) return undefined;
      VALUES[at++] = value;
    }
  }
  const bytes = Buffer.allocUnsafe(count * VALUE_BYTES);
  VALUE_BYTES_OF.copy(bytes);
  before?.copy(bytes, at * VALUE_BYTES, at * VALUE_BYTES);
  return bytes;
}

/** More values than any thread has. A buffer's own way to write one makes three numbers more of it. */
const VALUES = new BigUint64Array(64);
const VALUE_BYTES_OF = Buffer.from(VALUES.buffer);
