import type { GuestMemory } from '../../model/guest-memory.ts';
import type { DomainAnswer } from '../../registry/answer.ts';
import { GUEST_MEMORY_FILTER, readGuestMemory } from '../../registry/guest-memory.ts';
import type { ReadOptions } from '../../registry/options.ts';
import { EXIT, type ExitStatus, statusOfAnswers } from '../exit.ts';
import { CommandPolling } from '../polling.ts';
import { guestMemoryDocument } from '../render/guest-memory-document.ts';
import { guestMemoryText } from '../render/guest-memory-text.ts';
import { document } from '../render/json.ts';
import { warnErrors, warnNothing } from '../select.ts';
import { type GlobalOptions, type Session, untilStopped, urisOf, withSession } from '../session.ts';
import { type Sweep, showSweeps } from '../watch.ts';

/** What `guest-memory` takes. */
export interface GuestMemoryOptions extends GlobalOptions {
  /** Switches polling on while the command runs: whole seconds. */
  readonly poll?: number;
  readonly domain?: readonly string[];
  /** Shows it again and again, in milliseconds from sweep to sweep. */
  readonly intervalMs?: number;
  readonly json?: boolean;
}

/** `virtstat guest-memory`: what each guest reports of its memory, and where it does not, why. */
export function guestMemory(options: GuestMemoryOptions): Promise<ExitStatus> {
  return withSession(options, async (session) => {
    const { registry, terminal } = session;
    const { poll, intervalMs, domain: domains } = options;
    const signal = poll === undefined && intervalMs === undefined ? terminal.gone : untilStopped(terminal);
    const read: ReadOptions = { signal, ...(domains && { domains }) };
    const polling = poll === undefined ? undefined : new CommandPolling(registry, terminal, poll);
    try {
      const found = await registry.find(read);
      await polling?.begin(found.domains, signal);
      return await (intervalMs === undefined
        ? once(session, options, read)
        : showSweeps(session, { json: options.json === true, signal }, (earlier) =>
            sweeps(session, options, { ...read, ...(earlier && { signal: earlier }) }, intervalMs, polling),
          ));
    } catch (error) {
      // Whoever stopped a watch got what they wanted; whoever stopped the wait for a first answer did not.
      if (!signal.aborted || terminal.gone.aborted) throw error;
      return intervalMs === undefined ? EXIT.failed : EXIT.done;
    } finally {
      await polling?.end();
    }
  });
}

async function once(
  { registry, terminal }: Session,
  options: GuestMemoryOptions,
  read: ReadOptions,
): Promise<ExitStatus> {
  const answers = await readGuestMemory(registry, read);
  terminal.out(textOf(answers, options, { registry, terminal }));
  warnErrors(answers, terminal);
  if (answers.length === 0) warnNothing(urisOf(options), terminal);
  return statusOfAnswers(answers);
}

async function* sweeps(
  session: Session,
  options: GuestMemoryOptions,
  read: ReadOptions,
  intervalMs: number,
  polling: CommandPolling | undefined,
): AsyncGenerator<Sweep> {
  const { registry } = session;
  for await (const sampled of registry.watch(GUEST_MEMORY_FILTER, { ...read, intervalMs })) {
    polling?.keep(sampled.filter(({ errors }) => errors.length === 0).map(({ domain }) => domain));
    const answers = await readGuestMemory(registry, read, sampled);
    yield { text: textOf(answers, options, session), answers };
  }
}

function textOf(
  answers: readonly DomainAnswer<GuestMemory>[],
  { json }: GuestMemoryOptions,
  { terminal }: Session,
): string {
  return json ? document(guestMemoryDocument(answers)) : guestMemoryText(answers, terminal.paint);
}
