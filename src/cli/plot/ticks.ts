import { factorOf, type Scale } from '../../model/scale.ts';

/** An axis of values: its ends and what is labelled, all in raw steps of a scale. */
export interface ValueAxis {
  readonly min: number;
  readonly max: number;
  /** Ascending, the ends included. */
  readonly ticks: readonly number[];
}

/** Less than that is no difference: its steps would be beyond what a `number` can say. */
const LEAST = 1e-100;

/**
 * An axis that holds all values between `min` and `max`, with about `count` round steps. It begins at 0 unless something is
 * below: a line that only looks steep misleads. Bytes are stepped by powers of 2, all else by 1, 2 and 5; between yes and no there is
 * nothing.
 */
export function valueAxis(min: number, max: number, count: number, scale: Scale): ValueAxis {
  if (scale.unit === 'boolean' && min >= 0 && max <= 1) return { min: 0, max: 1, ticks: [0, 1] };
  const low = Math.min(0, min);
  const high = max - low > LEAST ? max : low + 1 / factorOf(scale);
  const step = stepOf((high - low) / Math.max(1, count), scale);
  const first = Math.floor(low / step);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
  return { min: first * step, max: last * step, ticks };
}

function stepOf(atLeast: number, scale: Scale): number {
  if (scale.unit === 'bytes') return 2 ** Math.ceil(Math.log2(atLeast));
  const factor = factorOf(scale);
  const wanted = atLeast * factor;
  const power = 10 ** Math.floor(Math.log10(wanted));
  // What is a hair above a round step for want of digits is that step.
  const round = [1, 2, 5].find((digit) => digit * power >= wanted * (1 - 1e-9)) ?? 10;
  return (round * power) / factor;
}
