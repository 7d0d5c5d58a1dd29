import { Recorder } from '../history/recorder.ts';
import { VirtstatError } from '../model/errors.ts';
import type { Registry } from '../registry/registry.ts';
import { parseStatWord } from '../registry/selection.ts';
import type { RecordRule } from './config/config.ts';
import type { Log } from './log.ts';
import { recordLoop } from './record-loop.ts';

/** The recordings that the configuration asks for. What goes wrong with one is logged and costs nobody else anything. */
export class DaemonRecordings {
  readonly #registry: Registry;
  readonly #log: Log;
  readonly #running = new Map<string, { readonly stop: AbortController; readonly done: Promise<void> }>();
  #turn: Promise<void> = Promise.resolve();

  constructor(registry: Registry, log: Log) {
    this.#registry = registry;
    this.#log = log;
  }

  /** Records by these rules from now on; those that stay the same go on. Never rejects. */
  configure(rules: readonly RecordRule[]): Promise<void> {
    this.#turn = this.#turn.then(() => this.#configure(rules));
    return this.#turn;
  }

  /** Writes what is left. Never rejects. */
  stop(): Promise<void> {
    return this.configure([]);
  }

  async #configure(rules: readonly RecordRule[]): Promise<void> {
    const wanted = new Map(rules.map((rule) => [JSON.stringify(rule), rule]));
    const gone = [...this.#running].filter(([key]) => !wanted.has(key));
    for (const [key, { stop }] of gone) {
      stop.abort();
      this.#running.delete(key);
    }
    // Another rule may want the same directory.
    await Promise.all(gone.map(([, { done }]) => done));
    for (const [key, rule] of wanted) {
      if (this.#running.has(key)) continue;
      const stop = new AbortController();
      this.#running.set(key, { stop, done: this.#record(rule, stop.signal) });
    }
  }

  async #record({ stats, everyMs, directory, ageMs, sizeBytes }: RecordRule, signal: AbortSignal): Promise<void> {
    const problem = (error: unknown): void => {
      const { code, message } = VirtstatError.from(error, 'INTERNAL', 'recording failed');
      this.#log.warn({ directory, code, reason: message }, 'a recording has a problem');
    };
    let told = '';
    try {
      const retention = { ...(ageMs !== undefined && { ageMs }), ...(sizeBytes !== undefined && { sizeBytes }) };
      await using recorder = await Recorder.open({ path: directory, everyMs, retention, onProblem: problem });
      this.#log.info({ directory, stats, everyMs }, 'recording');
      await recordLoop({
        registry: this.#registry,
        recorder,
        words: stats.map(parseStatWord),
        everyMs,
        signal,
        onUnknown: (unknown) => {
          const text = unknown.map(({ message }) => message).join('; ');
          if (text !== told && text !== '')
            this.#log.warn({ directory, reason: text }, 'not recorded until a domain has it');
          told = text;
        },
      });
      await recorder.close();
      this.#log.info({ directory, ...recorder.progress }, 'stopped recording');
    } catch (error) {
      problem(error);
    }
  }
}
