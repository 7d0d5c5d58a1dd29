/**
 * When the next turn is due of what is done every `intervalMs`, after the one that was due at `dueMs`; both by the clock of
 * `performance.now`, in milliseconds. It is never behind us: one that took longer skips turns.
 */
export function nextTurnMs(dueMs: number, intervalMs: number): number {
  const lateMs = performance.now() - dueMs;
  return dueMs + intervalMs * Math.max(1, Math.ceil(lateMs / intervalMs));
}
