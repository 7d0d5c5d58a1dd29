import { humanize, type Scale } from '../../model/scale.ts';

/** A value, or a place on an axis of values, as a picture says it: yes and no for what is nothing else, human units for the rest. */
export function valueText(raw: number, scale: Scale, suffix = ''): string {
  return isYesNo(scale, suffix) ? (raw > 0 ? 'yes' : 'no') : humanize(raw, scale, suffix);
}

/** Whether there is nothing between its two values. */
export function isYesNo({ unit }: Scale, suffix: string): boolean {
  return unit === 'boolean' && suffix === '';
}
