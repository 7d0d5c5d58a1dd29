import { factorOf, type Scale } from '../../model/scale.ts';

/** A unit of UCUM, and what a raw value is to be multiplied by to be in it; 1: the raw integer is what is sent. */
export interface OtlpUnit {
  readonly unit: string;
  readonly factor: number;
}

/** UCUM's prefixes, by base and exponent. */
const PREFIXES: Readonly<Record<string, string>> = {
  '10^-18': 'a',
  '10^-15': 'f',
  '10^-12': 'p',
  '10^-9': 'n',
  '10^-6': 'u',
  '10^-3': 'm',
  '10^3': 'k',
  '10^6': 'M',
  '10^9': 'G',
  '10^12': 'T',
  '10^15': 'P',
  '10^18': 'E',
  '2^10': 'Ki',
  '2^20': 'Mi',
  '2^30': 'Gi',
  '2^40': 'Ti',
};

const UNITS: ReadonlyMap<string, string> = new Map([
  ['seconds', 's'],
  ['bytes', 'By'],
]);

/**
 * The unit of UCUM that is one raw step: `ns`, `By`, `KiBy`, so that values stay the integers that they are. Where UCUM has no such
 * prefix the value is scaled, and no longer an integer. What is counted has an annotation in place of a unit (`{cycle}`); a plain
 * number has none.
 */
export function otlpUnitOf(scale: Scale): OtlpUnit {
  const base = scale.unit === undefined ? '' : (UNITS.get(scale.unit) ?? annotationOf(scale.unit));
  if (scale.exponent === 0) return { unit: base, factor: 1 };
  const prefix = PREFIXES[`${scale.base}^${scale.exponent}`];
  if (prefix !== undefined && scale.unit !== undefined && UNITS.has(scale.unit))
    return { unit: prefix + base, factor: 1 };
  return { unit: base, factor: factorOf(scale) };
}

/** Printable ASCII without braces, in the singular as the guide for units wants it: `{cycle}`. */
function annotationOf(unit: string): string {
  const word = unit.replaceAll(/[^!-z|~]|[{}]/g, '_').replace(/(?<=[a-z])s$/, '');
  return `{${word}}`;
}
