import { pino } from 'pino';
import type { FaceLog, LogFacts } from '../face/face.ts';
import type { LogLevel } from './config/config.ts';

/** Where the log goes: the standard error. */
const STDERR_FD = 2;

/** Most bytes of log that wait for whoever reads the standard error; then lines are lost, rather than the daemon stopped. */
const MAX_WAITING_BYTES: number = 1 << 20;

/** How long the end waits for whoever reads the standard error, in milliseconds. */
const FLUSH_TIMEOUT_MS = 1000;

/** The daemon's log: one JSON object a line, `{"level":"info","time":"…","msg":"…", …}`. */
export interface Log extends FaceLog {
  error(facts: LogFacts, message: string): void;
  debug(facts: LogFacts, message: string): void;
  setLevel(level: LogLevel): void;
  /** Resolves when what waits is written out, or nobody reads it. */
  flush(): Promise<void>;
}

/** A log on the standard error, or on another descriptor. */
export function openLog(level: LogLevel, fd: number = STDERR_FD): Log {
  // Without a least length, its flush does not wait.
  const destination = pino.destination({ dest: fd, sync: false, minLength: 1, maxLength: MAX_WAITING_BYTES });
  // Nobody reads it any more: that is no reason to end.
  destination.on('error', () => undefined);
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  return {
    debug: (facts, message) => logger.debug(facts, message),
    info: (facts, message) => logger.info(facts, message),
    warn: (facts, message) => logger.warn(facts, message),
    error: (facts, message) => logger.error(facts, message),
    setLevel: (next) => {
      logger.level = next;
    },
    flush: () =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, FLUSH_TIMEOUT_MS);
        destination.flush(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}
