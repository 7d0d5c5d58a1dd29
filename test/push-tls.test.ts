import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestAuthority, whyNoCertificates } from '../src/testing/certificates.ts';
import { Collector } from './lab/collector.ts';
import { PushingDaemon } from './lab/pushing-daemon.ts';

const FAILING = 'samples do not get through; they wait, and are sent again';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-push-tls-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a push over https', () => {
  it('waits until it trusts the engine, tells why, and shows its own certificate, without a reload', async (context) => {
    const why = whyNoCertificates();
    if (why !== undefined) return context.skip(why);
    const [authority, another] = [new TestAuthority(folder), new TestAuthority(folder, 'another')];
    const server = authority.issue('server', 'serverAuth');
    await using collector = await Collector.listen({
      cert: readFileSync(server.certFile),
      key: readFileSync(server.keyFile),
      ca: readFileSync(authority.caFile),
      requestCert: true,
      rejectUnauthorized: true,
    });
    const caFile = join(folder, 'ca.crt');
    copyFileSync(another.caFile, caFile);
    const { certFile, keyFile } = authority.issue('host1', 'clientAuth');
    await using pushing = await PushingDaemon.start(folder, [
      `endpoint = "https://localhost:${collector.port}/write"`,
      `ca-file = "${caFile}"`,
      `cert-file = "${certFile}"`,
      `key-file = "${keyFile}"`,
    ]);
    expect(await pushing.daemon.said(FAILING)).toMatchObject({
      code: 'TLS_FAILED',
      reason: expect.stringMatching(/^TLS with localhost:\d+ failed: no authority that is trusted here signed its/),
    });
    await expect.poll(() => pushing.value('pending'), { timeout: 15_000 }).toBeGreaterThan(100);
    expect([collector.requests.length, pushing.linesOf(FAILING)]).toEqual([0, 1]);
    copyFileSync(authority.caFile, caFile);
    await pushing.daemon.said('samples get through again');
    await expect.poll(() => pushing.value('pending'), { timeout: 15_000 }).toBe(0);
    expect(await pushing.value('dropped_total', ',reason="refused"')).toBe(0);
    expect(await pushing.daemon.end('SIGTERM')).toBe(0);
  });
});
