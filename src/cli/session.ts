import { DEFAULT_DEADLINE_MS } from '../model/limits.ts';
import { Registry } from '../registry/registry.ts';
import { isLibvirtUri } from '../source/libvirt/uri.ts';
import { type OpenSourcesOptions, openSources } from '../source/open.ts';
import { EXIT, type ExitStatus } from './exit.ts';
import { canAsk } from './question.ts';
import { openTerminal, type Terminal } from './terminal.ts';

/** What every command takes. */
export interface GlobalOptions {
  /** URIs of the sources; absent: `$VIRTSTAT_DEFAULT_URI`, else this host. */
  readonly connect?: readonly string[];
  /** Deadline of each domain, in milliseconds. */
  readonly timeout?: number;
}

/** What a verb works with. */
export interface Session {
  readonly registry: Registry;
  readonly terminal: Terminal;
}

/** The sources that are meant: those of the command line, else of the environment, else this host. */
export function urisOf({ connect }: GlobalOptions): readonly string[] {
  return connect ?? [process.env['VIRTSTAT_DEFAULT_URI'] || 'local:'];
}

/** What a person says of themselves, where there is one to ask and a libvirt daemon wants to know. @throws CANCELLED */
export async function askedCredentials(uris: readonly string[]): Promise<OpenSourcesOptions> {
  const daemons = uris.filter(isLibvirtUri);
  if (daemons.length === 0 || !canAsk()) return {};
  const { askForCredentials } = await import('./libvirt-credentials.ts');
  const answers = await askForCredentials(daemons);
  return { libvirtCredentials: (uri) => answers.get(uri) ?? {} };
}

/** Runs a verb on the registry of its sources, and closes them whatever happens. */
export async function withSession(
  options: GlobalOptions,
  work: (session: Session) => Promise<ExitStatus>,
): Promise<ExitStatus> {
  const uris = urisOf(options);
  const sources = await openSources(uris, await askedCredentials(uris));
  const registry = new Registry(sources, { deadlineMs: options.timeout ?? DEFAULT_DEADLINE_MS });
  const terminal = openTerminal();
  try {
    return await work({ registry, terminal });
  } catch (error) {
    // The terminal has said what there is to say, and what it means for the status.
    if (terminal.gone.aborted) return EXIT.done;
    throw error;
  } finally {
    await registry.close();
  }
}

/** A signal for what runs until somebody ends it: Ctrl-C, a kind kill, or a reader that went away. */
export function untilStopped(terminal: Terminal): AbortSignal {
  const stopped = new AbortController();
  // Listeners stay: the live screen's library takes a signal that nobody listens to as the end of the process.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      // Whoever asks twice means it.
      if (stopped.signal.aborted) process.exit(EXIT.failed);
      stopped.abort();
    });
  }
  return AbortSignal.any([stopped.signal, terminal.gone]);
}
