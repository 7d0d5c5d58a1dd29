import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { VarlinkFace } from '../src/face/varlink/face.ts';
import { type JsonObject, parseJson } from '../src/protocol/json/json.ts';
import { Registry } from '../src/registry/registry.ts';
import { KvmFileSource } from '../src/source/kvm-file/kvm-file-source.ts';

const ROOT = new URL('..', import.meta.url).pathname;
const INTERFACE = 'org.virtstat.Stats';
/** systemd's client, where it is not in the path. */
const VARLINKCTL = process.env['VARLINKCTL'] ?? 'varlinkctl';
const LIMIT = { timeout: 20_000 };

let folder: string;
let socket: string;
let registry: Registry;
let face: VarlinkFace;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-face-'));
  socket = join(folder, 'varlink');
  registry = new Registry([new KvmFileSource([`kvm+file:${join(ROOT, 'captures/kvm')}`])]);
  face = new VarlinkFace({
    info: { vendor: 'virtstat', product: 'virtstatd', version: '0', url: 'https://example.org' },
  });
  await face.listen({
    runtimeDir: folder,
    sockets: { mode: 0o600 },
    domains: { current: [], subscribe: () => () => undefined },
    log: { info: () => undefined, warn: () => undefined },
    activated: () => undefined,
    isToken: () => false,
    readerFor: () => ({
      domains: async (options) => (await registry.present(options)).map(({ domain }) => domain),
      list: (options) => registry.list(options),
      schemas: (options) => registry.schemas(options),
      query: (filter, options) => registry.query(filter, options),
      readsAllOf: () => true,
    }),
  });
});

afterAll(async () => {
  await face.close();
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

function needVarlinkctl(context: TestContext): void {
  const { status } = spawnSync(VARLINKCTL, ['--version']);
  if (status !== 0) context.skip('varlinkctl (systemd 257 or newer) is not here; VARLINKCTL may name it');
}

/** The JSON objects that varlinkctl prints, one for each line; several begin with a record separator (RFC 7464). */
async function varlinkctl(...args: readonly string[]): Promise<readonly JsonObject[]> {
  const { stdout } = await promisify(execFile)(VARLINKCTL, ['--json=short', ...args], LIMIT);
  const lines = stdout.replaceAll('\x1e', '').split('\n');
  return lines.filter((line) => line.startsWith('{')).map((line) => parseJson(line) as JsonObject);
}

describe('to varlinkctl of systemd', () => {
  it('the published definition is right', async (context) => {
    needVarlinkctl(context);
    const file = join(ROOT, `docs/${INTERFACE}.varlink`);
    const { status, stderr } = spawnSync(VARLINKCTL, ['validate-idl', file], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  it('the service introduces itself', async (context) => {
    needVarlinkctl(context);
    const names = ['org.varlink.service', INTERFACE, 'io.systemd.Metrics'];
    for (const name of names) {
      const { stdout } = await promisify(execFile)(VARLINKCTL, ['introspect', socket, name], LIMIT);
      expect(stdout).toContain(`interface ${name}`);
    }
    expect(await varlinkctl('info', socket)).toMatchObject([{ interfaces: names }]);
  });

  it('values arrive exactly', async (context) => {
    needVarlinkctl(context);
    const asked = '{"target":"vcpu","providers":[{"provider":"kvm"}]}';
    const [reply] = await varlinkctl('call', socket, `${INTERFACE}.GetStats`, asked);
    const here = await registry.query({ target: 'vcpu', providers: [{ provider: 'kvm' }] });
    const there = reply?.['domains'] as unknown as readonly { samples: readonly { stats: readonly JsonObject[] }[] }[];
    expect(there.length).toBeGreaterThan(0);
    const text = (value: unknown): unknown => (typeof value === 'boolean' ? value : String(value));
    expect(
      there.map(({ samples }) =>
        samples.map(({ stats }) =>
          stats.map(({ name, number, bigNumber, boolean, numbers, bigNumbers }) => {
            return [name, text(number ?? bigNumber ?? boolean ?? numbers ?? bigNumbers)];
          }),
        ),
      ),
    ).toEqual(here.map(({ items }) => items.map(({ stats }) => stats.map(({ name, value }) => [name, text(value)]))));
  });

  it('errors have their names', async (context) => {
    needVarlinkctl(context);
    const call = varlinkctl('call', socket, `${INTERFACE}.GetStats`, '{"target":"vcpu","domains":["none"]}');
    await expect(call).rejects.toMatchObject({ stderr: expect.stringContaining(`${INTERFACE}.DomainNotFound`) });
  });

  it('metrics are a stream that ends', async (context) => {
    needVarlinkctl(context);
    const described = await varlinkctl('--more', 'call', socket, 'io.systemd.Metrics.Describe', '{}');
    const listed = await varlinkctl('--more', 'call', socket, 'io.systemd.Metrics.List', '{}');
    const names = new Set(described.map(({ name }) => name));
    expect(listed.length).toBeGreaterThan(50);
    expect(listed.filter(({ name }) => !names.has(name))).toEqual([]);
  });
});
