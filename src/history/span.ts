/** From one time to another, both included: nanoseconds since 1970. */
export interface Span {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/** The shortest span that holds both. */
export function joined(a: Span | undefined, b: Span): Span {
  if (a === undefined) return { startNs: b.startNs, endNs: b.endNs };
  let { startNs, endNs } = a;
  if (b.startNs < startNs) startNs = b.startNs;
  if (b.endNs > endNs) endNs = b.endNs;
  return { startNs, endNs };
}

/** The shortest span that holds all of at least one. */
export function joinedAll(spans: readonly Span[]): Span {
  return spans.reduce<Span | undefined>(joined, undefined)!;
}

/** True where any two of them share a time. */
export function overlap(spans: readonly Span[]): boolean {
  const ordered = spans.toSorted((a, b) => (a.startNs < b.startNs ? -1 : 1));
  return ordered.some(({ startNs }, index) => index > 0 && startNs <= ordered[index - 1]!.endNs);
}
