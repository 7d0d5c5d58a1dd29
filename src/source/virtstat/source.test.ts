import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Reader } from '../../face/face.ts';
import { VarlinkFace } from '../../face/varlink/face.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { FoundDomain, Source } from '../../model/provider.ts';
import { U64_MAX } from '../../model/u64.ts';
import { Registry } from '../../registry/registry.ts';
import { KvmFileSource } from '../kvm-file/kvm-file-source.ts';
import { openSources } from '../open.ts';
import { VirtstatSource } from './source.ts';

const CAPTURES = new URL('../../../captures/kvm', import.meta.url).pathname;

/** One domain with a large counter, that may fail or go. */
class TestSource implements Source {
  readonly uri = 'test:';
  failure: VirtstatError | undefined;
  isGone = false;
  names: readonly string[] = ['large'];

  async scan(): Promise<readonly FoundDomain[]> {
    const domain = { id: 'x', name: 'vm-x', source: this.uri };
    const stats = async (): ReturnType<Awaited<ReturnType<FoundDomain['providers']>>[number]['stats']> => {
      if (this.failure !== undefined) throw this.failure;
      return [{ via: 'test', collectedAtNs: 7n, stats: [{ name: 'large', value: U64_MAX }] }];
    };
    const schemas = async () => {
      const described = this.names.map((name) => ({ name, type: 'instant', exponent: 0 }));
      return [{ provider: 'own', target: 'vm', stats: described }];
    };
    const provider = { name: 'own', targets: ['vm'], schemas, stats };
    const found: FoundDomain = {
      domain,
      providers: async () => [provider],
      describe: async () => ({ ...domain, state: 'paused' }),
      availability: async () => [{ provider: 'own', target: 'vm', via: 'test', available: true }],
    };
    return this.isGone ? [] : [found];
  }

  async close(): Promise<void> {}
}

let folder: string;
let uri: string;
let test: TestSource;
let local: Registry;
let remote: Registry;
let face: VarlinkFace;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-source-'));
  test = new TestSource();
  local = new Registry([new KvmFileSource([`kvm+file:${CAPTURES}`]), test]);
  const reader: Reader = {
    domains: async (options) => (await local.present(options)).map(({ domain }) => domain),
    list: (options) => local.list(options),
    schemas: (options) => local.schemas(options),
    query: (filter, options) => local.query(filter, options),
    readsAllOf: () => true,
  };
  face = new VarlinkFace({ info: { vendor: 'v', product: 'p', version: '1', url: 'u' } });
  await face.listen({
    runtimeDir: folder,
    sockets: { mode: 0o600 },
    domains: { current: [], subscribe: () => () => undefined },
    log: { info: () => undefined, warn: () => undefined },
    activated: () => undefined,
    isToken: () => false,
    readerFor: () => reader,
  });
  uri = `virtstat+unix:${join(folder, 'varlink')}`;
  remote = new Registry(await openSources([uri]));
});

afterEach(async () => {
  await remote.close();
  await face.close();
  await local.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What stands in an answer, less what says where it came from. */
function plain(answers: readonly { readonly domain: object; readonly items: readonly object[] }[]): unknown {
  return answers.map(({ domain, items }) => ({ ...domain, id: '', source: '', items }));
}

describe('another virtstatd', () => {
  it('lists the same', async () => {
    const answers = await remote.list();
    expect(plain(answers)).toEqual(plain(await local.list()));
    expect(new Set(answers.map(({ domain }) => domain.source))).toEqual(new Set([uri]));
    expect(answers.flatMap(({ errors }) => errors)).toEqual([]);
  });

  it('has the same schemas', async () => {
    const schemas = plain(await remote.schemas());
    expect(schemas).toEqual(plain(await local.schemas()));
    expect(JSON.stringify(schemas)).toContain('halt_poll_fail_ns');
  });

  it.each([
    { target: 'vcpu' },
    { target: 'vm' },
    { target: 'vcpu', providers: [{ provider: 'kvm', names: ['exits', 'none'] }] },
    { target: 'vcpu', paths: ['nowhere'] },
    { target: 'vm', providers: [] },
  ])('gives the same values for %j, to the last bit', async (filter) => {
    const here = await local.query(filter);
    const there = await remote.query(filter);
    expect(plain(there)).toEqual(plain(here));
    expect(there.flatMap(({ errors }) => errors)).toEqual([]);
  });

  it('refuses what does not exist as a local one does', async () => {
    await expect(remote.resolve({ target: 'vcpu', names: ['halt_poll_fail'] })).rejects.toMatchObject({
      code: 'UNKNOWN_STAT',
    });
  });

  it('learns after a while of what can be measured only now', async () => {
    const names = async () =>
      (await remote.schemas({ domains: ['vm-x'] }))[0]?.items.flatMap(({ stats }) => stats.map(({ name }) => name));
    expect(await names()).toEqual(['large']);
    test.names = ['large', 'new'];
    expect(await names()).toEqual(['large']);
    const nowMs = performance.now();
    const clock = vi.spyOn(performance, 'now').mockReturnValue(nowMs + 20_000);
    try {
      expect(await names()).toEqual(['large', 'new']);
    } finally {
      clock.mockRestore();
    }
  });

  it('says why a domain fails, and gives its last values with their age', async () => {
    const filter = { target: 'vm', providers: [{ provider: 'own' }] };
    const ask = async (): Promise<unknown> => remote.query(filter, { domains: ['vm-x'] });
    test.failure = new VirtstatError('MONITOR_BUSY', 'somebody else is there');
    expect(await ask()).toMatchObject([
      { items: [], errors: [{ code: 'MONITOR_BUSY', message: 'somebody else is there' }] },
    ]);
    test.failure = undefined;
    // One that was busy is asked again in the background first.
    await expect
      .poll(ask, { timeout: 5000 })
      .toMatchObject([{ items: [{ stats: [{ name: 'large', value: U64_MAX }] }], errors: [] }]);
    test.failure = new VirtstatError('TIMEOUT', 'too late');
    expect(await ask()).toMatchObject([{ items: [{ stale: { code: 'TIMEOUT', reason: 'too late' } }] }]);
  });

  it('says that a domain has gone', async () => {
    const source = new VirtstatSource(uri);
    const options = { signal: AbortSignal.timeout(10_000) };
    const gone = (await source.scan(options)).find(({ domain }) => domain.name === 'vm-x') as FoundDomain;
    test.isGone = true;
    // The other side looks for domains only now and then.
    await new Promise((resolve) => setTimeout(resolve, 2100));
    await expect(gone.describe(options)).rejects.toMatchObject({ code: 'DOMAIN_GONE' });
    expect(await source.scan(options)).not.toContain(gone);
    await expect(gone.describe(options)).rejects.toMatchObject({ code: 'CLOSED' });
    await source.close();
  });

  it('may come back after it was away', async () => {
    const source = new VirtstatSource(uri);
    const options = { signal: AbortSignal.timeout(10_000) };
    const domains = (await source.scan(options)).length;
    await face.close();
    await expect(source.scan(options)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await expect(source.scan(options)).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
    await face.listen({
      runtimeDir: folder,
      sockets: { mode: 0o600 },
      domains: { current: [], subscribe: () => () => undefined },
      log: { info: () => undefined, warn: () => undefined },
      activated: () => undefined,
      isToken: () => false,
      readerFor: () => ({ domains: async () => [] }) as unknown as Reader,
    });
    expect([domains, (await source.scan(options)).length]).toEqual([(await local.present()).length, 0]);
    await source.close();
  });
});
