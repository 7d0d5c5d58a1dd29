import { Hono } from 'hono';
import type { HttpPeer } from '../../host/http-listener.ts';
import type { MetricsView } from '../../metrics/view.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { MetricFamily, NumberFamily } from '../../protocol/openmetrics/family.ts';
import { CONTENT_TYPES, type ExpositionFormat, negotiate } from '../../protocol/openmetrics/format.ts';
import { linesOf, writeExposition } from '../../protocol/openmetrics/writer.ts';
import type { Caller, FaceContext, WebSecurity } from '../face.ts';
import { callerOf } from './caller.ts';
import { landingPage } from './landing-page.ts';
import { patienceMs } from './metrics-request.ts';
import type { Passwords } from './passwords.ts';
import { daemonFamilies, scrapeFamilies } from './scrape-families.ts';
import { SharedReadings } from './shared-readings.ts';
import { textStream } from './text-stream.ts';

/** Scrapes that are answered at the same time. */
export const MAX_SCRAPES = 16;

/** Those of them that callers who may read the same may have: who reads slowly, on purpose or not, leaves places for others. */
export const MAX_SCRAPES_OF_CALLER = 8;

/** The longest that finding out who calls takes, in milliseconds. */
const CALLER_TIMEOUT_MS = 10_000;

/** What the application is made of. */
export interface AppParts {
  readonly context: Pick<FaceContext, 'isToken' | 'isNamed' | 'rulesNumber' | 'ownFamilies' | 'readerFor' | 'log'>;
  /** What holds now. */
  readonly security: () => WebSecurity;
  readonly passwords: Passwords;
  /** By the names of profiles. */
  readonly views: ReadonlyMap<string, MetricsView>;
  /** Which of them those are given who name none. */
  readonly profile: string;
  readonly maxSeries: number;
  readonly maxAgeMs: number;
  /** Where metrics are: `/metrics`. */
  readonly telemetryPath: string;
  /** Of virtstat. */
  readonly version: string;
  /** Hears of who was refused, and why. */
  readonly onRefused: (peer: HttpPeer, reason: string) => void;
}

interface Env {
  readonly Bindings: { readonly peer: HttpPeer };
  readonly Variables: { readonly caller: Caller };
}

/** Answers HTTP, free of sockets. */
export type WebApp = (request: Request, peer: HttpPeer) => Response | Promise<Response>;

/** The routes: `/`, the telemetry path, `/-/healthy`, `/-/ready`. Every one of them is for those who may know of the daemon. */
export function createApp(parts: AppParts): WebApp {
  const { context, passwords, views, telemetryPath } = parts;
  const app = new Hono<Env>();
  const metrics = new MetricsAnswers(parts);
  app.use(async (c, next) => {
    const security = parts.security();
    const outcome = await callerOf(c.req.raw, c.env.peer, {
      context,
      security,
      passwords,
      signal: AbortSignal.timeout(CALLER_TIMEOUT_MS),
    });
    if ('refused' in outcome) {
      parts.onRefused(c.env.peer, outcome.refused);
      return unauthorized(security, 'You did not show who you are, or it was not right.');
    }
    c.set('caller', outcome.caller);
    await next();
    for (const [name, value] of Object.entries(security.headers)) c.res.headers.set(name, value);
    return undefined;
  });
  app.on(['GET'], '/-/healthy', (c) => c.text('virtstatd is healthy.\n'));
  app.on(['GET'], '/-/ready', (c) => c.text('virtstatd is ready.\n'));
  app.get(telemetryPath, (c) => {
    const caller = c.get('caller');
    if (context.isNamed?.(caller) === false) {
      parts.onRefused(c.env.peer, 'no access rule is about this caller');
      const why = 'No access rule of virtstatd gives you anything to read.';
      return caller.kind === 'anonymous' ? unauthorized(parts.security(), why) : c.text(`${why}\n`, 403);
    }
    const profile = c.req.query('profile') ?? parts.profile;
    const view = views.get(profile);
    if (view === undefined) {
      return c.text(`There is no profile of this name; there are ${[...views.keys()].join(', ')}.\n`, 400);
    }
    // Nobody would read a body, and nobody is asked for what is in it.
    if (c.req.method === 'HEAD') {
      return c.body(null, 200, { 'content-type': CONTENT_TYPES[negotiate(c.req.header('accept'))] });
    }
    return metrics.answer(caller, profile, view, {
      format: negotiate(c.req.header('accept')),
      patienceMs: patienceMs(c.req.header('x-prometheus-scrape-timeout-seconds')),
    });
  });
  if (telemetryPath !== '/') app.get('/', (c) => c.html(landingPage(telemetryPath, [...views.keys()], parts.version)));
  app.notFound((c) => c.text('There is nothing here.\n', 404));
  app.onError((error, c) => {
    const { code, message } = VirtstatError.from(error, 'INTERNAL', 'answering failed');
    const isBusy = code === 'QUEUE_FULL' || code === 'TIMEOUT';
    return c.text(`${message}\n`, isBusy ? 503 : 500);
  });
  return (request, peer) => app.fetch(request, { peer });
}

/** 401, with the ways to authenticate that there are. */
function unauthorized({ passwords }: WebSecurity, why: string): Response {
  const headers = new Headers({ 'content-type': 'text/plain; charset=utf-8' });
  if (passwords.size > 0) headers.append('www-authenticate', 'Basic realm="virtstatd", charset="UTF-8"');
  headers.append('www-authenticate', 'Bearer realm="virtstatd"');
  return new Response(`${why}\n`, { status: 401, headers });
}

interface Wish {
  readonly format: ExpositionFormat;
  readonly patienceMs: number;
}

/** Answers scrapes, a bounded number at the same time. */
class MetricsAnswers {
  readonly #parts: AppParts;
  readonly #shared: SharedReadings;
  #underWay = 0;
  readonly #underWayOf = new Map<string, number>();

  constructor(parts: AppParts) {
    this.#parts = parts;
    this.#shared = new SharedReadings(parts.maxAgeMs);
  }

  async answer(caller: Caller, profile: string, view: MetricsView, wish: Wish): Promise<Response> {
    const who = JSON.stringify(keyOf(caller));
    const own = this.#underWayOf.get(who) ?? 0;
    if (this.#underWay >= MAX_SCRAPES || own >= MAX_SCRAPES_OF_CALLER) {
      return new Response('Too many scrapes are under way.\n', { status: 503, headers: { 'retry-after': '5' } });
    }
    this.#take(who, 1);
    let isOver = false;
    const over = (): void => {
      if (!isOver) this.#take(who, -1);
      isOver = true;
    };
    try {
      const pieces = await this.#pieces(caller, profile, view, wish);
      return new Response(textStream(endingWith(pieces, over)), {
        headers: { 'content-type': CONTENT_TYPES[wish.format] },
      });
    } catch (error) {
      over();
      throw error;
    }
  }

  /** Takes a place, or gives it back (-1). */
  #take(who: string, places: 1 | -1): void {
    this.#underWay += places;
    const own = (this.#underWayOf.get(who) ?? 0) + places;
    if (own > 0) this.#underWayOf.set(who, own);
    else this.#underWayOf.delete(who);
  }

  async #pieces(caller: Caller, profile: string, view: MetricsView, { format, patienceMs }: Wish) {
    const { context, version, maxSeries, maxAgeMs } = this.#parts;
    // What was read by the rules of before is for nobody any more.
    const key = JSON.stringify([context.rulesNumber?.(), keyOf(caller), profile]);
    const { reading, durationNs } = await this.#shared.get(key, patienceMs, () =>
      view.read(context.readerFor(caller), { maxAgeMs, patienceMs, signal: AbortSignal.timeout(patienceMs) }),
    );
    const { families, domains, dropped } = reading;
    let series = 0;
    const counted = families.map((family) => withCount(family, format, (lines) => (series += lines)));
    const facts = { profile, durationNs, domains, dropped, maxSeries };
    return writeExposition(
      (function* () {
        yield* daemonFamilies(version);
        yield* context.ownFamilies?.(caller) ?? [];
        yield* counted;
        yield* scrapeFamilies(facts, () => series);
      })(),
      format,
    );
  }
}

/** Callers of one key may read the same: another process of the same user does. */
function keyOf(caller: Caller): unknown {
  if (caller.kind === 'user') return [caller.kind, caller.uid];
  return caller.kind === 'anonymous' ? [caller.kind] : caller;
}

/** The same family, whose lines are counted while they are gone through. */
function withCount(family: MetricFamily, format: ExpositionFormat, count: (lines: number) => void): MetricFamily {
  const counting = function* <T extends Parameters<typeof linesOf>[0]>(points: Iterable<T>): Generator<T, void> {
    for (const point of points) {
      count(linesOf(point, format));
      yield point;
    }
  };
  return family.type === 'histogram'
    ? { ...family, points: counting(family.points) }
    : ({ ...family, points: counting(family.points) } satisfies NumberFamily);
}

/** The same pieces; `over` is called when there are no more, or nobody wants more. */
function* endingWith(pieces: Iterable<string>, over: () => void): Generator<string, void> {
  try {
    yield* pieces;
  } finally {
    over();
  }
}
