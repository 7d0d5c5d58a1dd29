import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DaemonProcess } from './lab/daemon.ts';
import { Engine, type EngineName, freePort, whyNoEngine } from './lab/engine.ts';
import { FreshCaptures } from './lab/fresh-captures.ts';

const LIMIT_MS = 15_000;

const TOKEN = 'only-lab.t1';

let folder: string;
let file: string;
let webPort: number;
let captures: FreshCaptures;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-push-'));
  file = join(folder, 'virtstat.toml');
  webPort = await freePort();
  captures = new FreshCaptures(join(folder, 'vms'));
});
afterEach(() => {
  captures[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function write(pushes: string): void {
  const common = [
    `connect = ["${captures.uri}"]`,
    `runtime-dir = "${folder}/run"`,
    `state-dir = "${folder}/state"`,
    `web.listen-address = ["127.0.0.1:${webPort}"]`,
  ];
  writeFileSync(file, `${common.join('\n')}\n${pushes}`);
}

function remoteWrite(name: string, engine: Engine, more = ''): string {
  return `[[remote-write]]\nname = "${name}"\nendpoint = "${engine.url}/api/v1/write"\nevery = "1s"\n${more}\n`;
}

async function start(name: EngineName): Promise<Engine> {
  mkdirSync(join(folder, name));
  return Engine.start(name, join(folder, name), await freePort());
}

/** What the last answer is, once it is right or the time is over. */
async function last<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T> {
  const deadlineMs = performance.now() + LIMIT_MS;
  for (;;) {
    const answer = await ask();
    if (isRight(answer) || performance.now() > deadlineMs) return answer;
    await sleep(100);
  }
}

async function page(headers: Readonly<Record<string, string>> = {}): Promise<string> {
  return (await fetch(`http://127.0.0.1:${webPort}/metrics`, { headers })).text();
}

/** The pushes of the metrics page of which something has arrived. */
async function pushesOnPage(): Promise<readonly string[]> {
  const text = await page();
  const found = text.matchAll(/^virtstat_export_sent_total\{push="([^"]*)",protocol="([^"]*)"\} [1-9]/gm);
  return [...found].map(([, push, protocol]) => `${protocol} ${push}`).toSorted();
}

describe('virtstatd that pushes', () => {
  it('follows its list of remote writes through a reload', async (context) => {
    const reason = whyNoEngine('prometheus') ?? whyNoEngine('victoria-metrics');
    if (reason !== undefined) context.skip(reason);
    await using prometheus = await start('prometheus');
    await using victoria = await start('victoria-metrics');
    const rule = `[[access]]\ntokens = ["sha256:${createHash('sha256').update(TOKEN).digest('hex')}"]\ndomains = ["lab.t1"]\n`;
    write(`${remoteWrite('prom', prometheus, 'profile = "full"')}${rule}`);
    await using daemon = await DaemonProcess.ready('--config', file);
    const exits = 'kvm_vcpu_exits_total';
    expect(
      await last(
        () => prometheus.query(`count(${exits})`),
        ([n]) => n === 6,
      ),
    ).toEqual([6]);
    const [found] = await prometheus.labels(`${exits}{domain="lab.t1",vcpu="1"}`);
    expect(found).toMatchObject({ job: 'virtstat', instance: expect.stringMatching(/./) });
    expect(await prometheus.query('virtstat_export_failing{push="prom"}')).toEqual([0]);
    expect(await last(pushesOnPage, ({ length }) => length === 1)).toEqual(['remote-write prom']);
    // Who may not read every domain does not learn from it how many there are.
    const restricted = await page({ authorization: `Bearer ${TOKEN}` });
    expect(restricted).toContain('domain="lab.t1"');
    expect(restricted).not.toMatch(/virtstat_export|lab\.t2/);

    write(`${remoteWrite('victoria', victoria, 'domains = ["*.t2"]\nlabels = { site = "lab" }')}${rule}`);
    daemon.child.kill('SIGHUP');
    expect(await daemon.said('reloaded the configuration')).toMatchObject({ changed: ['otlp, remote-write'] });
    const domains = 'count by (domain, site) ({__name__=~"kvm_.*"})';
    expect(
      await last(
        () => victoria.labels(domains),
        ({ length }) => length > 0,
      ),
    ).toEqual([{ domain: 'lab.t2', site: 'lab' }]);
    expect(await last(pushesOnPage, ({ length }) => length === 1)).toEqual(['remote-write victoria']);
    // The one that is there no more has sent its last.
    const counted = `sum(count_over_time(${exits}[10m]))`;
    const before = await prometheus.query(counted);
    const arrived = 'max(count_over_time(virtstat_export_failing[10m]))';
    const [now = 0] = await victoria.query(arrived);
    expect(
      (
        await last(
          () => victoria.query(arrived),
          ([n = 0]) => n >= now + 3,
        )
      )[0],
    ).toBeGreaterThanOrEqual(now + 3);
    expect(await prometheus.query(counted)).toEqual(before);
    expect(await daemon.end('SIGTERM')).toBe(0);
    expect(daemon.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('takes OTLP into its list by a reload', async (context) => {
    const reason = whyNoEngine('newer victoria-metrics');
    if (reason !== undefined) context.skip(reason);
    await using engine = await start('newer victoria-metrics');
    write(remoteWrite('both', engine));
    await using daemon = await DaemonProcess.ready('--config', file);
    await daemon.said('listening for HTTP');
    const otlp = `[[otlp]]\nname = "both"\nendpoint = "${engine.url}/opentelemetry/v1/metrics"\nevery = "1s"\nresource = { "site.name" = "lab" }\n`;
    write(`${remoteWrite('both', engine)}${otlp}`);
    daemon.child.kill('SIGHUP');
    expect(await daemon.said('reloaded the configuration')).toMatchObject({ changed: ['otlp, remote-write'] });
    const labels = () => engine.labels('{__name__="virtstat.kvm.vm.remote_tlb_flush"}');
    const found = await last(labels, ({ length }) => length === FreshCaptures.DOMAINS.length);
    expect(found.map((series) => series['virtstat.domain.name']).toSorted()).toEqual(FreshCaptures.DOMAINS);
    expect(found[0]).toMatchObject({ 'service.name': 'virtstatd', 'site.name': 'lab' });
    expect(await last(pushesOnPage, ({ length }) => length === 2)).toEqual(['otlp both', 'remote-write both']);
    expect(await daemon.end('SIGTERM')).toBe(0);
  });
});
