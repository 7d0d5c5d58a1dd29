import { recordLoop } from '../../daemon/record-loop.ts';
import { type Progress, Recorder } from '../../history/recorder.ts';
import type { Retention } from '../../history/store.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { SampleAnswer, SchemaAnswer } from '../../registry/answer.ts';
import type { ReadOptions, Registry } from '../../registry/registry.ts';
import { parseStatWord, type StatWord, selectStats } from '../../registry/selection.ts';
import { DEFAULT_INTERVAL_MS } from '../arguments.ts';
import { domainNames } from '../domain-names.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { openProgressLine } from '../progress-line.ts';
import { progressText } from '../render/progress-text.ts';
import { type GlobalOptions, untilStopped, withSession } from '../session.ts';
import type { Terminal } from '../terminal.ts';

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
    const troubles = new Troubles(terminal, () => line.clear());
    const startMs = performance.now();
    const show = (progress: Progress): string =>
      progressText(progress, { path: output, elapsedMs: performance.now() - startMs, ...(forMs && { forMs }) });
    const recorder = await Recorder.open({
      path: output,
      everyMs,
      ...(retention && { retention }),
      onProblem: ({ message }) => troubles.tell(message),
    });
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
          line.show(show(recorder.progress));
        },
      });
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
    terminal.out(`${show(progress)}\n`);
    return progress.lostCount > 0 ? EXIT.failed : EXIT.done;
  });
}

/**
 * The schemas of the domains, in which every word must have its stats.
 * @throws UNKNOWN_TARGET, UNKNOWN_PROVIDER, UNKNOWN_STAT with the nearest right ones; NOTHING_MATCHED; the error of the first
 *   domain where none could be asked
 */
async function requireKnown(
  registry: Registry,
  words: readonly StatWord[],
  read: ReadOptions,
): Promise<readonly SchemaAnswer[]> {
  await registry.find(read);
  const answers = await registry.schemas(read);
  const schemas = answers.flatMap(({ items }) => items);
  if (schemas.length === 0) {
    const [error] = answers.flatMap(({ errors }) => errors);
    throw error ?? new VirtstatError('NOTHING_MATCHED', 'nothing can be measured here; `virtstat list` says why');
  }
  for (const word of words) {
    const { target, provider } = word;
    const asked = { ...(target !== undefined && { target }), ...(provider !== undefined && { provider }) };
    await registry.explaining(asked, read, () => {
      const [error] = selectStats([word], schemas).unknown;
      if (error !== undefined) throw error;
    });
  }
  return answers;
}

/** How many different troubles are remembered. */
const MAX_TOLD = 1000;

/** Says what goes wrong when it begins, and not with every sweep. */
class Troubles {
  readonly #terminal: Terminal;
  readonly #before: () => void;
  #told = new Set<string>();

  constructor(terminal: Terminal, before: () => void) {
    this.#terminal = terminal;
    this.#before = before;
  }

  tell(message: string): void {
    this.#before();
    this.#terminal.warn(message);
  }

  tellAnswers(answers: readonly SampleAnswer[]): void {
    const nameOf = domainNames(answers.map(({ domain }) => domain));
    const now = new Set<string>();
    for (const { domain, errors } of answers) {
      const name = nameOf(domain);
      for (const { message } of errors) {
        const text = message.includes(name) ? message : `${name}: ${message}`;
        if (!this.#told.has(text) && !now.has(text)) this.tell(text);
        if (now.size < MAX_TOLD) now.add(text);
      }
    }
    this.#told = now;
  }
}
