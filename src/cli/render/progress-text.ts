import type { Progress } from '../../history/recorder.ts';
import { BYTES } from '../../model/describe.ts';
import { humanize } from '../../model/scale.ts';

/** What a progress line is about. */
export interface ProgressFacts {
  readonly path: string;
  readonly elapsedMs: number;
  /** Absent: it goes on until somebody stops it. */
  readonly forMs?: number;
}

/** How far a recording is: `0:12 of 1:00  12 sweeps, 2196 samples, 36600 values  1.2 MB in r.parquet`. */
export function progressText(progress: Progress, { path, elapsedMs, forMs }: ProgressFacts): string {
  const { sweepCount, sampleCount, valueCount, lostCount, sizeBytes } = progress;
  const time = forMs === undefined ? clock(elapsedMs) : `${clock(Math.min(elapsedMs, forMs))} of ${clock(forMs)}`;
  const lost = lostCount === 0 ? '' : `, ${lostCount} samples LOST`;
  const counts = `${count(sweepCount, 'sweep')}, ${count(sampleCount, 'sample')}, ${count(valueCount, 'value')}${lost}`;
  return `${time}  ${counts}  ${humanize(sizeBytes, BYTES)} in ${path}`;
}

function clock(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (part: number): string => String(part).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
