import type { StatDescriptor } from '../../model/stat.ts';

/** What the text between a stat's type and its bucket size says. */
export type StatScale = Pick<StatDescriptor, 'unit' | 'base' | 'exponent'>;

/**
 * How `info stats` writes a unit and its scale (QEMU's stats/stats-hmp-cmds.c); the first row that fits wins:
 *
 * | scale                                               | text                                  |
 * | --------------------------------------------------- | ------------------------------------- |
 * | seconds or bytes, 10^e, -18 ≤ e ≤ 18, 3 divides e   | SI prefix and sign: `ns`, `KB`        |
 * | seconds or bytes, 2^e, 0 ≤ e ≤ 60, 10 divides e     | IEC prefix and sign: `KiB`, `Kis`     |
 * | any other exponent but 0                            | `* 10^-21 seconds`, `* 2^10`          |
 * | exponent 0                                          | sign, else the unit's word, else none |
 */
const SIGNS: Readonly<Record<string, string>> = { seconds: 's', bytes: 'B' };
const SI_PREFIXES = ['a', 'f', 'p', 'n', 'u', 'm', '', 'K', 'M', 'G', 'T', 'P', 'E'];
const SI_SMALLEST = -18;
const IEC_PREFIXES = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** The text for a unit and its scale; empty where there is neither. */
export function unitText({ unit, base, exponent }: StatScale): string {
  const sign = unit === undefined ? undefined : SIGNS[unit];
  if (exponent === 0) return sign ?? unit ?? '';
  const prefix = sign === undefined ? undefined : prefixOf(base, exponent);
  if (prefix !== undefined) return `${prefix}${sign}`;
  return `* ${base ?? 0}^${exponent}${unit === undefined ? '' : ` ${unit}`}`;
}

function prefixOf(base: StatScale['base'], exponent: number): string | undefined {
  if (base === 10 && exponent % 3 === 0) return SI_PREFIXES[(exponent - SI_SMALLEST) / 3];
  if (base === 2 && exponent % 10 === 0) return IEC_PREFIXES[exponent / 10];
  return undefined;
}

/** The scale that {@link unitText} writes so; a word that it does not know is a unit of its own. */
export function parseUnitText(text: string): StatScale {
  if (text === '') return { exponent: 0 };
  const known = SCALES_BY_TEXT.get(text);
  if (known !== undefined) return known;
  const power = /^\* (\d{1,3})\^(-?\d{1,5})(?: (\S.*))?$/.exec(text);
  if (power === null) return { unit: text, exponent: 0 };
  const [, base, exponent, unit] = power;
  return {
    ...(unit !== undefined && { unit }),
    ...(base !== '0' && { base: Number(base) }),
    exponent: Number(exponent),
  };
}

const SCALES_BY_TEXT = new Map<string, StatScale>(
  Object.keys(SIGNS).flatMap((unit) => {
    const scales: StatScale[] = [{ unit, exponent: 0 }];
    for (let exponent = SI_SMALLEST; exponent <= -SI_SMALLEST; exponent += 3) {
      if (exponent !== 0) scales.push({ unit, base: 10, exponent });
    }
    for (let index = 1; index < IEC_PREFIXES.length; index++) scales.push({ unit, base: 2, exponent: index * 10 });
    return scales.map((scale): [string, StatScale] => [unitText(scale), scale]);
  }),
);
