/** Steps of the system clock that are followed, in milliseconds; smaller differences are the coarseness of `Date.now`. */
const STEP_MS = 20;

let stepsMs = 0;

/**
 * The time now: nanoseconds since 1970, UTC, in steps of a microsecond. The platform's precise clock does not follow when
 * somebody sets the system's clock, so it is compared with the coarse one that does.
 */
export function nowNs(): bigint {
  const preciseMs = performance.timeOrigin + performance.now();
  const behindMs = Date.now() - (preciseMs + stepsMs);
  if (Math.abs(behindMs) > STEP_MS) stepsMs += behindMs;
  return BigInt(Math.round((preciseMs + stepsMs) * 1e3)) * 1000n;
}
