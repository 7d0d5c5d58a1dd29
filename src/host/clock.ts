/** The machine's clock in nanoseconds since 1970, UTC, with the resolution that the platform gives (a microsecond or better). */
export function nowNs(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e3)) * 1000n;
}
