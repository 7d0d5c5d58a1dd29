import { factorOf } from '../../model/scale.ts';
import type { StatDescriptor } from '../../model/stat.ts';

/** Time counts by the second and events by the thousand: this brings the two to the same height in a ranking. */
const SECONDS_WEIGHT = 1000;

/** How lively a stat is that grows by `rate` raw steps each second, to compare it with stats of other units. */
export function livelinessOf(rate: number, stat: StatDescriptor): number {
  return rate * factorOf(stat) * (stat.unit === 'seconds' ? SECONDS_WEIGHT : 1);
}
