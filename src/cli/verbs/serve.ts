import { type ConfigInput, loadConfig } from '../../daemon/config/load.ts';
import { runDaemon } from '../../daemon/run.ts';
import { groupId, userId } from '../../host/syscalls.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { packageVersion } from '../package-file.ts';
import type { GlobalOptions } from '../session.ts';
import { openTerminal } from '../terminal.ts';

/** What `serve` takes. */
export interface ServeOptions extends GlobalOptions {
  /** The configuration file; absent: the one in its usual place, where there is one. */
  readonly config?: string;
  /** True: only look whether the configuration is right, and print it. */
  readonly check?: boolean;
  /** By the names of keys, what their flags were given. */
  readonly flags: Readonly<Record<string, readonly string[]>>;
}

/** `virtstat serve`: runs the daemon until it is stopped; or says whether its configuration is right. */
export async function serve(options: ServeOptions): Promise<ExitStatus> {
  const input: ConfigInput = {
    env: process.env,
    flags: flagsOf(options),
    uid: process.geteuid?.() ?? 0,
    accounts: { userId, groupId },
    signal: new AbortController().signal,
    ...(options.config !== undefined && { file: options.config }),
  };
  const terminal = openTerminal();
  const outcome = await loadConfig(input);
  if ('mistakes' in outcome) {
    for (const mistake of outcome.mistakes) terminal.warn(mistake);
    return EXIT.usage;
  }
  if (options.check === true) {
    terminal.out(`${outcome.effective.trimEnd()}\n`);
    return EXIT.done;
  }
  const { config } = outcome;
  await runDaemon({ config, version: packageVersion(), load: () => loadConfig(input) });
  return EXIT.done;
}

/** The options of every command are keys of the daemon too. */
function flagsOf({ connect, timeout, flags }: ServeOptions): ConfigInput['flags'] {
  return { ...flags, ...(connect && { connect }), ...(timeout !== undefined && { timeout: [`${timeout}ms`] }) };
}
