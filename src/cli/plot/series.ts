import type { StatValue } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';

/** A stat of one object over time. */
export interface PlotSeries {
  /** What the domain is called among the others. */
  readonly domain: string;
  readonly provider: string;
  readonly target: string;
  /** Absent: the domain itself. */
  readonly path?: string;
  readonly stat: StatDescriptor;
  /** Of a `histogram`, as they are at the end. */
  readonly boundaries?: readonly bigint[];
  /** In the order of time. */
  readonly points: readonly PlotPoint[];
}

/** A value, and when it was collected: nanoseconds since 1970. */
export interface PlotPoint {
  readonly atNs: bigint;
  readonly value: StatValue;
}
