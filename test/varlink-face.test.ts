import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VarlinkFace } from '../src/face/varlink/face.ts';
import type { JsonObject } from '../src/protocol/json/json.ts';
import { Registry } from '../src/registry/registry.ts';
import { KvmFileSource } from '../src/source/kvm-file/kvm-file-source.ts';
import { faceContext } from './lab/face-context.ts';
import { needVarlinkctl, varlinkctl, varlinkctlJson } from './lab/varlinkctl.ts';

const ROOT = new URL('..', import.meta.url).pathname;
const INTERFACE = 'org.virtstat.Stats';

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
  await face.listen(faceContext(folder, registry));
});

afterAll(async () => {
  await face.close();
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('to varlinkctl of systemd', () => {
  it('the published definition is right', async (context) => {
    needVarlinkctl(context);
    const file = join(folder, 'definition');
    copyFileSync(join(ROOT, `docs/${INTERFACE}.varlink`), file);
    await varlinkctl('validate-idl', file);
  });

  it('the service introduces itself', async (context) => {
    needVarlinkctl(context);
    const names = ['org.varlink.service', INTERFACE, 'io.systemd.Metrics'];
    for (const name of names) {
      expect(await varlinkctl('introspect', socket, name)).toContain(`interface ${name}`);
    }
    expect(await varlinkctlJson('info', socket)).toMatchObject([{ interfaces: names }]);
  });

  it('values arrive exactly', async (context) => {
    needVarlinkctl(context);
    const asked = '{"target":"vcpu","providers":[{"provider":"kvm"}]}';
    const [reply] = await varlinkctlJson('call', socket, `${INTERFACE}.GetStats`, asked);
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
    const described = await varlinkctlJson('--more', 'call', socket, 'io.systemd.Metrics.Describe', '{}');
    const listed = await varlinkctlJson('--more', 'call', socket, 'io.systemd.Metrics.List', '{}');
    const names = new Set(described.map(({ name }) => name));
    expect(listed.length).toBeGreaterThan(50);
    expect(listed.filter(({ name }) => !names.has(name))).toEqual([]);
  });
});
