import { recordLoop } from '../../daemon/record-loop.ts';
import { type Progress, Recorder } from '../../history/recorder.ts';
import type { Retention } from '../../history/store.ts';
import { parseStatWord } from '../../registry/selection.ts';
import { DEFAULT_INTERVAL_MS } from '../arguments.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { requireKnown } from '../known-stats.ts';
import { openProgressLine } from '../progress-line.ts';
import { progressText } from '../render/progress-text.ts';
import { type GlobalOptions, untilStopped, withSession } from '../session.ts';
import { Troubles } from '../troubles.ts';

/** What `record` takes. */
export interface RecordOptions extends GlobalOptions {
  /** {@link parseStatWord} says how each is written. */
  readonly stats: readonly string[];
  /** A file in `.parquet`, or a directory. */
  readonly output: string;
  readonly everyMs?: number;
  /** Absent: until it is stopped. */
  readonly forMs?: number;
  readonly domain?: readonly string[];
  readonly retention?: Retention;
}

/** `virtstat record`: stats over time into Parquet files, until it is time or somebody stops it. */
export function record(options: RecordOptions): Promise<ExitStatus> {
  const words = options.stats.map(parseStatWord);
  const { everyMs = DEFAULT_INTERVAL_MS, forMs, domain: domains, retention, output } = options;
  return withSession(options, async ({ registry, terminal }) => {
    const signal = untilStopped(terminal);
    const read = { signal, ...(domains && { domains }) };
    const schemas = await requireKnown(registry, words, read);
    const line = openProgressLine();
    const troubles = new Troubles(terminal, 'recorded', () => line.clear());
    const show = (progress: Progress, elapsedMs: number): string =>
      progressText(progress, { path: output, elapsedMs, ...(forMs && { forMs }) });
    let hasFailed = false;
    const recorder = await Recorder.open({
      path: output,
      everyMs,
      ...(retention && { retention }),
      onProblem: ({ message }) => {
        hasFailed = true;
        troubles.tell(message);
      },
    });
    // Opening is no part of the time that is recorded.
    const startMs = performance.now();
    const elapsed = (): number => performance.now() - startMs;
    let endMs = 0;
    try {
      await recordLoop({
        registry,
        recorder,
        words,
        everyMs,
        ...(forMs !== undefined && { forMs }),
        ...(domains && { domains: () => domains }),
        schemas,
        signal,
        onSweep: (answers) => {
          troubles.tellAnswers(answers);
          line.show(show(recorder.progress, elapsed()));
        },
      });
      // The last interval is over when the next sweep would be due, which is no more of it.
      endMs = signal.aborted ? elapsed() : (forMs ?? elapsed());
    } finally {
      line.show(`writing ${output}`);
      await recorder.close();
      line.clear();
    }
    const { progress } = recorder;
    if (progress.sampleCount === 0) {
      terminal.warn('nothing was recorded: no domain had a new value of these stats');
      return EXIT.failed;
    }
    terminal.out(`${show(progress, endMs)}\n`);
    return hasFailed || progress.lostCount > 0 ? EXIT.failed : EXIT.done;
  });
}
