import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Caller, Face, FaceContext } from '../face/face.ts';
import { VirtstatError } from '../model/errors.ts';
import type { Registry } from '../registry/registry.ts';
import { TestAuthority, whyNoCertificates } from '../testing/certificates.ts';
import type { Config } from './config/config.ts';
import { Daemon } from './daemon.ts';
import type { Log } from './log.ts';

const CAPTURES = fileURLToPath(new URL('../../captures/kvm', import.meta.url));
const ROOT: Caller = { kind: 'user', uid: 0, gid: 0, groups: [], pid: 1 };
const OTHER: Caller = { ...ROOT, uid: 5, gid: 5 };

/** Keeps what it was given, and fails where it is told to. */
class TestFace implements Face {
  readonly name: string;
  context: FaceContext | undefined;
  closed = 0;
  readonly #error: VirtstatError | undefined;

  constructor(name: string, error?: VirtstatError) {
    this.name = name;
    this.#error = error;
  }

  async listen(context: FaceContext): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    this.context = context;
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

let folder: string;
let lines: Record<string, unknown>[];
let level: string;
const log: Log = {
  ...{ debug: () => undefined, info: note, warn: note, error: note, flush: async () => undefined },
  setLevel: (next) => {
    level = next;
  },
};

function note(facts: object, msg: string): void {
  lines.push({ ...facts, msg });
}

const SOCKET = { mode: 0o600, maxConnections: 10, maxConnectionsPerPeer: 10 };

function config(part: Partial<Config> = {}): Config {
  return {
    connect: [`kvm+file:${folder}/one`],
    timeoutMs: 3000,
    discoveryIntervalMs: 3_600_000,
    runtimeDir: join(folder, 'run'),
    faces: [],
    qmpMaxAgeMs: 0,
    libvirtMaxAgeMs: 0,
    socket: SOCKET,
    tlsAddresses: [],
    web: { addresses: [], isDefaultAddress: false, telemetryPath: '/metrics', requiresSocket: false },
    metrics: { profile: 'curated', deny: [], maxSeries: 1000, maxAgeMs: 0 },
    logLevel: 'info',
    access: [],
    balloon: [],
    stateDir: join(folder, 'state'),
    pushes: [],
    record: [],
    ...part,
  };
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-daemon-'));
  lines = [];
  level = 'info';
  for (const name of ['one', 'two']) {
    mkdirSync(join(folder, name));
    copyFileSync(join(CAPTURES, 'lab-vm.t2.bin'), join(folder, name, `${name}.bin`));
  }
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A daemon with these faces. */
async function started(
  faces: readonly TestFace[],
  part: Partial<Config> = {},
  activated?: ReadonlyMap<string, number>,
) {
  let registry: Registry | undefined;
  const daemon = await Daemon.start({
    version: '0.0.0',
    config: config(part),
    createFaces: (made) => {
      registry = made;
      return faces;
    },
    log,
    ownUid: 990,
    ...(activated && { activated }),
  });
  return { daemon, registry: registry as Registry };
}

describe('Daemon', () => {
  it('gives faces what they need, and takes everything back', async () => {
    const face = new TestFace('test');
    const { daemon } = await started([face], { socket: { ...SOCKET, mode: 0o640, gid: 7 } });
    expect(face.context).toMatchObject({ runtimeDir: join(folder, 'run'), sockets: { mode: 0o640, gid: 7 } });
    expect(face.context?.domains.current).toHaveLength(1);
    expect(daemon.states.all).toHaveLength(1);
    expect(await face.context?.readerFor(ROOT).domains()).toHaveLength(1);
    expect(await face.context?.readerFor(OTHER).domains()).toEqual([]);
    face.context?.log.warn({ x: 1 }, 'said');
    expect(lines.at(-1)).toEqual({ face: 'test', x: 1, msg: 'said' });
    await Promise.all([daemon.stop(), daemon.stop()]);
    expect(face.closed).toBe(1);
    const again = await started([]);
    await again.daemon.stop();
  });

  it('passes sockets of the service manager on, and says which nobody takes', async () => {
    const face = new TestFace('test');
    const taker = new TestFace('taker');
    taker.listen = async (context) => expect(context.activated('varlink')).toBe(4);
    const sockets = new Map([['other', 3]]).set('varlink', 4);
    const { daemon } = await started([face, taker], {}, sockets);
    expect(lines.filter(({ socket }) => socket !== undefined)).toEqual([
      { socket: 'other', msg: 'no face takes this socket of the service manager' },
    ]);
    expect(face.context?.activated('nothing')).toBeUndefined();
    await daemon.stop();
  });

  it('stops again what was started, where one face cannot listen', async () => {
    const good = new TestFace('good');
    const bad = new TestFace('bad', new VirtstatError('ACCESS_DENIED', 'no'));
    await expect(started([good, bad])).rejects.toThrow(expect.objectContaining({ code: 'ACCESS_DENIED' }));
    expect([good.closed, bad.closed]).toEqual([1, 1]);
    const { daemon } = await started([good]);
    await expect(started([bad])).rejects.toThrow(expect.objectContaining({ code: 'ADDRESS_IN_USE' }));
    await daemon.stop();
  });

  it('stops though a face cannot be closed', async () => {
    const face = new TestFace('stuck');
    face.close = async () => {
      throw new Error('stuck');
    };
    const { daemon } = await started([face]);
    await daemon.stop();
    expect(lines.at(-1)).toMatchObject({ face: 'stuck', msg: 'a face could not be closed' });
  });

  it('reloads rules and level at once, for readers that are there', async () => {
    const face = new TestFace('test');
    const { daemon } = await started([face]);
    const reader = face.context?.readerFor(OTHER);
    const rule = { users: [5], groups: [], certificates: [], tokens: [], domains: ['*'], providers: ['*'] };
    await daemon.reload(config({ access: [rule], logLevel: 'error' }));
    expect(await reader?.domains()).toHaveLength(1);
    expect(level).toBe('error');
    expect(lines.at(-1)).toEqual({ changed: ['log.level', 'access'], msg: 'reloaded the configuration' });
    await daemon.reload(config());
    expect(await reader?.domains()).toEqual([]);
    expect(face.closed).toBe(0);
    await daemon.stop();
  });

  it('reloads sources, and leaves those that stay alone', async () => {
    const { daemon, registry } = await started([]);
    const [one] = registry.sources;
    const both = config({ connect: [`kvm+file:${folder}/one`, 'qmp+unix:/not-there'] });
    await daemon.reload(both);
    expect(registry.sources.map(({ uri }) => uri)).toEqual(both.connect);
    expect(registry.sources[0]).toBe(one);
    expect(daemon.states.all).toHaveLength(2);
    await daemon.reload(config({ connect: [`kvm+file:${folder}/two`] }));
    expect(daemon.states.all.map(({ domain }) => domain.source)).toEqual([`kvm+file:${folder}/two`]);
    await expect(daemon.reload(config({ connect: ['nope:'] }))).rejects.toThrow(
      expect.objectContaining({ code: 'URI_UNSUPPORTED' }),
    );
    expect(daemon.states.all).toHaveLength(1);
    await daemon.stop();
  });

  it('reads the files of TLS at each reload, and keeps what it has where they are broken', async (context) => {
    if (whyNoCertificates() !== undefined) context.skip(whyNoCertificates());
    const face = new TestFace('test');
    const authority = new TestAuthority(folder);
    const { certFile, keyFile } = authority.issue('server', 'serverAuth');
    const part = { tlsAddresses: [{ host: '127.0.0.1', port: 1 }], tlsFiles: { certFile, keyFile } };
    const { daemon } = await started([face], part);
    const tls = face.context?.tls;
    const given: unknown[] = [];
    const unsubscribe = tls?.subscribe((material) => given.push(material));
    await daemon.reload(config(part));
    expect(given).toEqual([]);
    authority.issue('server', 'serverAuth');
    await daemon.reload(config(part));
    expect(given).toEqual([{ cert: readFileSync(certFile), key: readFileSync(keyFile) }]);
    const broken = config({ ...part, tlsFiles: { certFile, keyFile: certFile }, logLevel: 'error' });
    await expect(daemon.reload(broken)).rejects.toMatchObject({ code: 'TLS_FAILED' });
    expect([given.length, tls?.material, level]).toEqual([1, given[0], 'info']);
    unsubscribe?.();
    await daemon.reload(config({ ...part, tlsAddresses: [] }));
    expect(lines.at(-2)).toEqual({ key: 'tls.listen-address', msg: 'this key takes a restart; the old value stays' });
    await daemon.reload(config());
    expect(lines.map(({ key }) => key).slice(-3, -1)).toEqual(['tls.listen-address', 'tls.cert-file']);
    expect([given.length, face.context?.isToken('ab'.repeat(32))]).toEqual([1, false]);
    await daemon.stop();
    await expect(started([], broken)).rejects.toMatchObject({ code: 'TLS_FAILED' });
  });

  it('says what takes a restart, and remembers that it was not done', async () => {
    const { daemon } = await started([]);
    for (let round = 0; round < 2; round++) {
      await daemon.reload(config({ runtimeDir: join(folder, 'other') }));
      expect(lines.at(-2)).toEqual({ key: 'runtime-dir', msg: 'this key takes a restart; the old value stays' });
      expect(lines.at(-1)).toEqual({ changed: [], msg: 'reloaded the configuration' });
    }
    await daemon.stop();
  });
});
