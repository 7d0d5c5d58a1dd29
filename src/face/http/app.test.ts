import { createHash } from 'node:crypto';
import { hashSync } from 'bcryptjs';
import { afterAll, describe, expect, it } from 'vitest';
import type { HttpPeer } from '../../host/http-listener.ts';
import type { MetricsReading, MetricsView } from '../../metrics/view.ts';
import { UNSCALED } from '../../protocol/openmetrics/decimal.ts';
import type { MetricFamily } from '../../protocol/openmetrics/family.ts';
import { LabelSet } from '../../protocol/openmetrics/labels.ts';
import type { Caller, Reader, WebSecurity } from '../face.ts';
import { type AppParts, createApp, MAX_SCRAPES, MAX_SCRAPES_OF_CALLER, type WebApp } from './app.ts';
import { DEFAULT_PATIENCE_MS, patienceMs } from './metrics-request.ts';
import { Passwords } from './passwords.ts';

const passwords = new Passwords();
afterAll(() => passwords.close());

const TOKEN = 'secret';
const TOKEN_SHA256 = createHash('sha256').update(TOKEN).digest('hex');
const OPEN: WebSecurity = { passwords: new Map(), headers: {} };
const GUARDED: WebSecurity = {
  passwords: new Map([['prom', hashSync('right:one', 4)]]),
  headers: { 'X-Frame-Options': 'deny' },
};

const reading: MetricsReading = {
  families: [
    {
      name: 'x',
      type: 'gauge',
      help: 'h',
      points: [{ labels: new LabelSet([['domain', 'web']]), steps: 1n, scale: UNSCALED }],
    },
  ],
  domains: 1,
  dropped: { budget: 3, name: 0 },
};

class CountedView implements MetricsView {
  reads = 0;
  async read(): Promise<MetricsReading> {
    this.reads++;
    return reading;
  }
}

function peer(part: Partial<HttpPeer> = {}): HttpPeer {
  return { address: '127.0.0.1', port: 1, isLoopback: true, uid: async () => 1000, ...part };
}

/** Knows nobody by a token, and gives everybody a reader. */
const SILENT: AppParts['context'] = {
  isToken: () => false,
  readerFor: () => ({}) as Reader,
  log: { info: () => undefined, warn: () => undefined },
};

/** An application, and whom it took its callers for. */
function application(part: Partial<AppParts> = {}): { app: WebApp; callers: Caller[]; view: CountedView } {
  const callers: Caller[] = [];
  const view = new CountedView();
  const app = createApp({
    context: {
      isToken: (sha256) => sha256 === TOKEN_SHA256,
      isNamed: (caller) => {
        callers.push(caller);
        return caller.kind !== 'anonymous';
      },
      readerFor: () => ({}) as Reader,
      log: { info: () => undefined, warn: () => undefined },
    },
    security: () => OPEN,
    passwords,
    views: new Map([['curated', view]]),
    profile: 'curated',
    maxSeries: 10,
    maxAgeMs: 60_000,
    telemetryPath: '/metrics',
    version: '1.2.3',
    onRefused: () => undefined,
    ...part,
  });
  return { app, callers, view };
}

function ask(app: WebApp, headers: Record<string, string> = {}, from: HttpPeer = peer(), path = '/metrics') {
  return app(new Request(`http://localhost:16516${path}`, { headers: { host: 'localhost:16516', ...headers } }), from);
}

const basic = (text: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(text).toString('base64')}`,
});

describe('a scrape', () => {
  it('answers in the format that is asked for, with what it took and left out', async () => {
    const { app } = application();
    const plain = await ask(app);
    expect(plain.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await plain.text();
    expect(text).toContain('x{domain="web"} 1\n');
    expect(text).toContain('virtstat_scrape_series{profile="curated"} 1\n');
    expect(text).toContain('virtstat_scrape_series_dropped{profile="curated",reason="budget"} 3\n');
    expect(text).toContain('virtstat_build_info{version="1.2.3"');
    const open = await ask(app, { accept: 'application/openmetrics-text' });
    expect(open.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect((await open.text()).endsWith('# EOF\n')).toBe(true);
  });

  it('has what the daemon says of itself beside its own', async () => {
    let points = 0;
    const ownFamilies = (): readonly MetricFamily[] => {
      const point = { labels: new LabelSet([['push', 'a']]), steps: BigInt(++points), scale: UNSCALED };
      return [{ name: 'virtstat_export_pending', type: 'gauge', help: 'h', points: [point] }];
    };
    const { app } = application();
    const { app: telling } = application({ context: { ...SILENT, ownFamilies } });
    expect(await (await ask(app)).text()).not.toContain('virtstat_export');
    // What VMs said may be shared and old; this never is.
    expect(await (await ask(telling)).text()).toContain('virtstat_export_pending{push="a"} 1\n');
    expect(await (await ask(telling)).text()).toContain('virtstat_export_pending{push="a"} 2\n');
  });

  it('is shared by readers of the same moment who may read the same', async () => {
    const { app, view } = application();
    await Promise.all([ask(app), ask(app), ask(app, {}, peer({ port: 2 }))]);
    expect(view.reads).toBe(1);
    await ask(app, {}, peer({ uid: async () => 1001 }));
    expect(view.reads).toBe(2);
  });

  it('is not shared with what was read by the rules of before', async () => {
    let rules = 0;
    const { app, view } = application({ context: { ...SILENT, rulesNumber: () => rules } });
    await ask(app);
    rules++;
    await ask(app);
    expect(view.reads).toBe(2);
  });
  it('is not shared by one who waits with one who hardly does', async () => {
    const { app, view } = application();
    await ask(app, { 'x-prometheus-scrape-timeout-seconds': '0.001' });
    await ask(app, { 'x-prometheus-scrape-timeout-seconds': '10' });
    expect(view.reads).toBe(2);
    await ask(app, { 'x-prometheus-scrape-timeout-seconds': '5' });
    expect(view.reads).toBe(2);
  });
  it('knows its profiles', async () => {
    const { app } = application();
    expect((await ask(app, {}, peer(), '/metrics?profile=other')).status).toBe(400);
    expect((await ask(app, {}, peer(), '/nothing')).status).toBe(404);
    expect((await ask(app, {}, peer(), '/-/healthy')).status).toBe(200);
    expect(await (await ask(app, {}, peer(), '/')).text()).toContain('href="/metrics?profile=curated"');
  });

  it('is refused while too many are being read, and answered when they have been', async () => {
    const { app } = application();
    const by = (uid: number) => ask(app, {}, peer({ uid: async () => uid }));
    const open = await Promise.all(Array.from({ length: MAX_SCRAPES }, (_, nth) => by(nth)));
    expect((await by(1000)).status).toBe(503);
    await open[0]?.text();
    await open[1]?.body?.cancel();
    expect((await by(1001)).status).toBe(200);
    expect((await by(1002)).status).toBe(200);
    expect((await by(1003)).status).toBe(503);
  });
  it('of one user is refused while too many of theirs are being read, and others are answered', async () => {
    const { app } = application();
    const open = await Promise.all(Array.from({ length: MAX_SCRAPES_OF_CALLER }, () => ask(app)));
    expect((await ask(app)).status).toBe(503);
    expect((await ask(app, {}, peer({ uid: async () => 1001 }))).status).toBe(200);
    await open[0]?.text();
    expect((await ask(app)).status).toBe(200);
  });
});

it('a scrape of which only the head is asked for takes nobody’s place, and asks no virtual machine', async () => {
  const { app, view } = application();
  for (let asked = 0; asked <= MAX_SCRAPES; asked++) {
    const head = await app(
      new Request('http://localhost/metrics', { method: 'HEAD', headers: { host: 'localhost' } }),
      peer(),
    );
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  }
  expect(view.reads).toBe(0);
  expect((await ask(app)).status).toBe(200);
});

describe('who calls', () => {
  it('is the user at the other end of loopback', async () => {
    const { app, callers } = application();
    expect((await ask(app)).status).toBe(200);
    expect(callers[0]).toMatchObject({ kind: 'user', uid: 1000, groups: [] });
  });

  it.each([
    { 'x-forwarded-for': '192.0.2.1' },
    { forwarded: 'for=192.0.2.1' },
    { via: '1.1 proxy' },
    { host: 'rebound.example:16516' },
    { host: 'localhost.evil.example' },
  ])('is not the user of a process that sends for somebody else: %j', async (headers) => {
    const { app, callers } = application();
    expect((await ask(app, headers)).status).toBe(401);
    expect(callers[0]).toEqual({ kind: 'anonymous', address: '127.0.0.1' });
  });

  it('is who shows a token that a rule names; a wrong one is refused, also of a local user', async () => {
    const { app, callers } = application();
    expect((await ask(app, { authorization: `Bearer ${TOKEN}` })).status).toBe(200);
    expect(callers).toEqual([{ kind: 'token', sha256: TOKEN_SHA256 }]);
    expect((await ask(app, { authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await ask(app, { authorization: 'Digest x' })).status).toBe(401);
    expect((await ask(app, basic('prom:right:one'))).status).toBe(401);
  });

  it('costs no check of a password where there are no users', async () => {
    const checked: string[] = [];
    const counting = { isRight: async (user: string) => checked.push(user) < 0 } as unknown as Passwords;
    const { app } = application({ passwords: counting });
    expect((await ask(app, basic('prom:right:one'))).status).toBe(401);
    expect(checked).toEqual([]);
    const { app: guarded } = application({ passwords: counting, security: () => GUARDED });
    expect((await ask(guarded, basic('prom:x'))).status).toBe(401);
    expect(checked).toEqual(['prom']);
  });
  it('has to show something where there are users', async () => {
    const { app, callers } = application({ security: () => GUARDED });
    const refused = await ask(app);
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('Basic realm=');
    for (const wrong of ['prom:wrong', 'nobody:right:one', 'prom', '']) {
      expect((await ask(app, basic(wrong))).status).toBe(401);
    }
    const right = await ask(app, basic('prom:right:one'));
    expect([right.status, right.headers.get('x-frame-options')]).toEqual([200, 'deny']);
    expect(callers).toEqual([{ kind: 'password', user: 'prom' }]);
    const certificate = { commonName: 'grafana', sha256: 'ab' };
    expect((await ask(app, {}, peer({ certificate }))).status).toBe(200);
  });
});

it('waits for three quarters of what a scraper grants', () => {
  expect(patienceMs('10')).toBe(7500);
  expect(patienceMs('0.001')).toBe(1);
  expect(patienceMs('1e9')).toBe(50_000);
  for (const wrong of [undefined, '', 'x', '-1', '0', 'NaN']) expect(patienceMs(wrong)).toBe(DEFAULT_PATIENCE_MS);
});
