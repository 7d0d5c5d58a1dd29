import { VirtstatError } from '../../model/errors.ts';
import type { StatsFilter } from '../../model/filter.ts';
import { parseNames } from '../../protocol/hmp/command-line.ts';
import type { SampleAnswer, SchemaAnswer } from '../../registry/answer.ts';
import { nearest, type Request } from '../../registry/check.ts';
import type { QueryOptions } from '../../registry/options.ts';
import type { Registry } from '../../registry/registry.ts';
import { DEFAULT_INTERVAL_MS } from '../arguments.ts';
import { EXIT, type ExitStatus, statusOfAnswers } from '../exit.ts';
import { document } from '../render/json.ts';
import { queryDocument } from '../render/query-document.ts';
import { warnErrors, withoutItems } from '../select.ts';
import { type GlobalOptions, type Session, untilStopped, withSession } from '../session.ts';

/** What `query` takes. */
export interface QueryVerbOptions extends GlobalOptions {
  readonly target: string;
  readonly names?: string;
  readonly provider?: string;
  readonly domain?: readonly string[];
  readonly path?: readonly string[];
  readonly intervalMs?: number;
  readonly rate?: boolean;
  readonly json?: boolean;
}

/** A first answer, with what is needed to go on asking. */
interface Opening {
  readonly filter: StatsFilter | undefined;
  readonly answers: readonly SampleAnswer[];
  /** Undefined where nobody needed them yet. */
  readonly schemas: readonly SchemaAnswer[] | undefined;
}

/** `virtstat query`: values now, once or again and again. */
export function query(options: QueryVerbOptions): Promise<ExitStatus> {
  return withSession(options, async (session) => {
    const { registry, terminal } = session;
    const watches = options.intervalMs !== undefined;
    const signal = watches ? untilStopped(terminal) : terminal.gone;
    const read: QueryOptions = { signal, ...(options.domain && { domains: options.domain }) };
    try {
      const opening = await openQuery(registry, options, read);
      return await (watches ? watch(session, options, opening, read) : once(session, options, opening, read));
    } catch (error) {
      // Whoever stopped a watch got what they wanted.
      if (watches && signal.aborted && !terminal.gone.aborted) return EXIT.done;
      throw error;
    }
  });
}

/**
 * Asks for the values and, where they are needed, for the schemas. A plain `query TARGET --json` is one question: its
 * target is checked only if there was no answer.
 */
async function openQuery(registry: Registry, options: QueryVerbOptions, read: QueryOptions): Promise<Opening> {
  const request = requestOf(options);
  await registry.find(read);
  if (request.names === undefined && request.provider === undefined) {
    const filter = { target: request.target, ...(request.paths && { paths: request.paths }) };
    const needsSchemas = !options.json || options.rate === true;
    const [answers, schemas] = await Promise.all([
      registry.query(filter, read),
      needsSchemas ? registry.schemas({ ...read, target: request.target }) : undefined,
    ]);
    if (answers.some(({ items }) => items.length > 0)) return { filter, answers, schemas };
    // Where nobody could be asked, nobody knows whether the target is right.
    const allFailed = answers.length > 0 && answers.every(({ errors }) => errors.length > 0);
    if (allFailed) return { filter, answers, schemas };
  }
  const { filter, schemas } = await registry.check(request, read);
  const answers = filter === undefined ? withoutItems(schemas) : await registry.query(filter, read);
  if (filter !== undefined) await requireMatch(registry, request, filter, answers, read);
  return { filter, answers, schemas };
}

function requestOf({ target, names, provider, path }: QueryVerbOptions): Request {
  const list = names === undefined ? undefined : parseNames(names);
  return {
    target,
    ...(list && { names: list }),
    ...(provider !== undefined && { provider }),
    ...(path && { paths: path }),
  };
}

/**
 * Refuses an answer without any value that no error explains.
 * @throws NOTHING_MATCHED, for a path with the nearest ones
 */
async function requireMatch(
  registry: Registry,
  { names, paths }: Request,
  filter: StatsFilter,
  answers: readonly SampleAnswer[],
  read: QueryOptions,
): Promise<void> {
  if (answers.some(({ items, errors }) => items.length > 0 || errors.length > 0)) return;
  if (paths === undefined) {
    const kind = `of target ${filter.target}`;
    const message = names?.length === 0 ? `no stat ${kind} was asked for` : `no domain has an object ${kind}`;
    throw new VirtstatError('NOTHING_MATCHED', message);
  }
  const everything = await registry.query({ target: filter.target }, read);
  const known = everything.flatMap(({ items }) => items.flatMap(({ path }) => path ?? []));
  const near = paths.flatMap((path) => nearest(path, known));
  const hint =
    near.length === 0 ? `target ${filter.target} has no paths` : `did you mean ${[...new Set(near)].join(', ')}?`;
  throw new VirtstatError('NOTHING_MATCHED', `no object has the path ${paths.join(', ')}; ${hint}`);
}

async function once(
  { registry, terminal }: Session,
  options: QueryVerbOptions,
  opening: Opening,
  read: QueryOptions,
): Promise<ExitStatus> {
  let { answers } = opening;
  if (options.json && !options.rate) {
    terminal.out(document(queryDocument(answers)));
  } else {
    const { GrowthTracker, SchemaBook } = await import('../schema-book.ts');
    const book = new SchemaBook(opening.schemas);
    const tracker = options.rate && opening.filter !== undefined ? new GrowthTracker() : undefined;
    if (tracker !== undefined && opening.filter !== undefined) {
      tracker.update(answers, book);
      const { setTimeout: delay } = await import('node:timers/promises');
      await delay(DEFAULT_INTERVAL_MS, undefined, { signal: read.signal });
      answers = await registry.query(opening.filter, read);
    }
    const growths = tracker?.update(answers, book);
    if (options.json) terminal.out(document(queryDocument(answers, growths)));
    else {
      const { queryText } = await import('../render/query-text.ts');
      terminal.out(queryText(answers, { book, paint: terminal.paint, ...(growths && { growths }) }));
    }
  }
  warnErrors(answers, terminal);
  return statusOfAnswers(answers);
}

async function watch(
  session: Session,
  options: QueryVerbOptions,
  opening: Opening,
  read: QueryOptions,
): Promise<ExitStatus> {
  if (opening.filter === undefined) {
    if (options.json) session.terminal.out(document(queryDocument(opening.answers)));
    warnErrors(opening.answers, session.terminal);
    return statusOfAnswers(opening.answers);
  }
  const { watchQuery } = await import('../watch.ts');
  return watchQuery(session, opening.filter, {
    ...read,
    intervalMs: options.intervalMs ?? DEFAULT_INTERVAL_MS,
    schemas: opening.schemas ?? [],
    json: options.json === true,
    rate: options.rate === true,
  });
}
