import { humanize, type Scale } from '../../model/scale.ts';
import { printable } from './text.ts';

/** A raw number in human units as a terminal may be shown it: a unit that is none of ours is the peer's text. */
export function scaled(raw: number | bigint, scale: Scale, suffix = ''): string {
  return printable(humanize(raw, scale, suffix));
}
