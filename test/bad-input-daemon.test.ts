import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DaemonProcess } from './lab/daemon.ts';
import { startQemu, type Vm, whyNoVm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';
import { TextSocket } from './lab/text-socket.ts';

const BIN = fileURLToPath(new URL('../bin/virtstat.cjs', import.meta.url));
const CAPTURES = `kvm+file:${fileURLToPath(new URL('../captures/kvm', import.meta.url))}`;
const LIMIT_MS = 30_000;

/** How long others may wait for an answer while somebody misbehaves, in milliseconds: the machine may be busy. */
const PROMPT_MS = 5_000;
/** How much more memory a daemon may hold afterwards, in bytes: its heap grows with use, but not with what is sent. */
const MEMORY_ROOM_BYTES = 128 * 2 ** 20;
/** How much each of four clients or more sends, in bytes. */
const FLOOD_BYTES = 48 * 2 ** 20;

/** Longest request of the QMP face, in bytes. */
const MAX_REQUEST_BYTES = 256 * 1024;

const NEGOTIATE = '{"execute":"qmp_capabilities"}';
const INFO = '{"method":"org.varlink.service.GetInfo"}\0';

let folder: string;
let vm: Vm | undefined;
let daemon: DaemonProcess;
let varlink: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vsb-'));
  chmodSync(folder, 0o755);
  if (whyNoVm() === undefined) vm = await startQemu({ name: `bad-${process.pid}`, paused: true });
  const uris = [CAPTURES, ...(vm === undefined ? [] : [`qmp+unix:${vm.qmpPath}`])];
  daemon = await DaemonProcess.ready(...uris.flatMap((uri) => ['-c', uri]), '--runtime-dir', join(folder, 'run'));
  varlink = join(folder, 'run/varlink');
});
afterAll(async () => {
  await daemon?.end('SIGKILL');
  await vm?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Path of the VM's QMP socket, once it is there. */
async function qmpSocket({ name }: Vm): Promise<string> {
  const path = join(folder, 'run/qmp', `${name}.sock`);
  await expect.poll(() => existsSync(path), { timeout: LIMIT_MS }).toBe(true);
  return path;
}

/** One client's question from connecting to the answer, in milliseconds. */
async function timeOf(ask: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await ask();
  return performance.now() - startMs;
}

async function askQmp(path: string): Promise<void> {
  const client = await RawQmp.open(path);
  try {
    expect(await client.execute('query-name')).toEqual({ name: vm?.name });
  } finally {
    client.close();
  }
}

async function askVarlink(): Promise<void> {
  const client = await TextSocket.open(varlink);
  try {
    client.write(INFO);
    expect(await client.readTo('\0')).toContain('"product":"virtstatd"');
  } finally {
    client.close();
  }
}

/** Sends a text byte after byte, each on its own, while others ask; all of them have their answers in good time. */
async function sendSlowly(socket: TextSocket, text: string, askOther: () => Promise<void>): Promise<void> {
  const others: Promise<number>[] = [];
  for (const [index, byte] of [...text].entries()) {
    socket.write(byte);
    if (index % 8 === 0) others.push(timeOf(askOther));
    await sleep(5);
  }
  for (const ms of await Promise.all(others)) expect(ms).toBeLessThan(PROMPT_MS);
}

/** Sends a piece again and again until so many bytes have gone or the peer closes; returns the beginning of what it says. */
async function flood(path: string, begin: string, piece: string, sizeBytes: number): Promise<string> {
  const socket = createConnection(path);
  let received = '';
  socket.on('data', (chunk: Buffer) => (received = (received + chunk.toString('latin1')).slice(0, 10_000)));
  // A peer that closes while much is under way resets the connection.
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const drained = (): Promise<void> => new Promise((resolve) => socket.once('drain', () => resolve()));
  const bytes = Buffer.from(piece);
  socket.write(begin);
  for (let sent = 0; sent < sizeBytes && !socket.destroyed; sent += bytes.length) {
    if (!socket.write(bytes)) await Promise.race([drained(), closed]);
  }
  socket.end();
  await Promise.race([closed, sleep(LIMIT_MS, undefined, { ref: false })]);
  socket.destroy();
  return received;
}

describe('a QMP client of the daemon', () => {
  it('that sends byte by byte gets its answer, and keeps nobody waiting', async (context) => {
    if (vm === undefined) return context.skip(whyNoVm());
    const path = await qmpSocket(vm);
    const slow = await TextSocket.open(path);
    await slow.readTo('\n');
    await sendSlowly(slow, `${NEGOTIATE}{"execute":"query-name","id":"slow"}`, () => askQmp(path));
    expect(await slow.readTo('"slow"}')).toBe(`{"return": {}}\r\n{"return": {"name": "${vm.name}"}, "id": "slow"}`);
    slow.close();
  });

  it.for([
    ['a string', '"', 'x'.repeat(65_536), FLOOD_BYTES, 'JSON token size limit exceeded'],
    ['a number', '', '1'.repeat(65_536), FLOOD_BYTES / 8, 'JSON token size limit exceeded'],
    ['brackets', '', '['.repeat(65_536), FLOOD_BYTES / 8, 'JSON nesting depth limit exceeded'],
    // Beyond the bound every two bytes are answered with an error, in as many words as QEMU has for it.
    ['a list', '[', '1,'.repeat(8_192), 65_536, 'JSON token count limit exceeded'],
  ] as const)(
    'that never ends %s is refused in QEMU’s words, and costs no memory',
    async ([, begin, piece, size, said], context) => {
      if (vm === undefined) return context.skip(whyNoVm());
      const path = await qmpSocket(vm);
      const beforeBytes = daemon.residentBytes;
      const floods = Array.from({ length: 4 }, () => flood(path, NEGOTIATE + begin, piece, size));
      expect(await timeOf(() => askQmp(path))).toBeLessThan(PROMPT_MS);
      for (const received of await Promise.all(floods)) expect(received).toContain(`"desc": "${said}"`);
      expect(daemon.residentBytes - beforeBytes).toBeLessThan(MEMORY_ROOM_BYTES);
    },
  );

  it('that sends one byte too many is refused, and not one fewer', async (context) => {
    if (vm === undefined) return context.skip(whyNoVm());
    const client = await TextSocket.open(await qmpSocket(vm));
    await client.readTo('\n');
    client.write(NEGOTIATE);
    await client.readTo('\n');
    // The tokens of the message beside the id, and one byte that QEMU counts more.
    const others = '{"execute":"query-name","id":}'.length + 1;
    const request = (bytes: number): string => `{"execute":"query-name","id":"${'x'.repeat(bytes - others - 2)}"}`;
    client.write(request(MAX_REQUEST_BYTES));
    expect(await client.readTo('\n')).toMatch(/^\{"return": \{"name": /);
    client.write(`${request(MAX_REQUEST_BYTES + 1)}\xff{"execute":"query-name"}`);
    expect(await client.readTo('\n')).toContain('JSON token size limit exceeded');
    expect(await client.readTo(`"${vm.name}"}}`)).toContain('"return"');
    client.close();
  });

  it('that sends what is no UTF-8 is told so, and goes on', async (context) => {
    if (vm === undefined) return context.skip(whyNoVm());
    const client = await TextSocket.open(await qmpSocket(vm));
    await client.readTo('\n');
    client.write(`${NEGOTIATE}{"execute":"query-name","id":"\xed\xa0\x80"}{"execute":"query-name","id":"\xc3\x28"}`);
    await client.readTo('\n');
    for (let index = 0; index < 2; index++) {
      expect(await client.readTo('\n')).toContain('"JSON parse error, invalid UTF-8 sequence in string"');
    }
    client.write('{"execute":"\xff{"execute":"query-name"}');
    expect(await client.readTo('\n')).toContain('JSON parse error, stray');
    expect(await client.readTo('\n')).toContain(`"${vm.name}"`);
    client.close();
  });
});

/** Sends calls and reads as many replies. */
async function converse(calls: readonly string[], replies: number): Promise<readonly Record<string, unknown>[]> {
  const client = await TextSocket.open(varlink);
  try {
    client.write(calls.join(''));
    const read: Record<string, unknown>[] = [];
    while (read.length < replies) read.push(JSON.parse((await client.readTo('\0')).slice(0, -1)));
    return read;
  } finally {
    client.close();
  }
}

const call = (method: string, more: object = {}): string => `${JSON.stringify({ method, ...more })}\0`;
const serviceError = (name: string, parameters: object = {}): object => {
  return { error: `org.varlink.service.${name}`, parameters };
};

describe('a varlink client of the daemon', () => {
  it('that sends byte by byte gets its answer, and keeps nobody waiting', async () => {
    const slow = await TextSocket.open(varlink);
    await sendSlowly(slow, INFO, askVarlink);
    expect(await slow.readTo('\0')).toContain('"product":"virtstatd"');
    slow.close();
  });

  it('that never ends a message is cut off at the bound, and costs no memory', async () => {
    const beforeBytes = daemon.residentBytes;
    const begin = '{"method":"';
    const floods = Array.from({ length: 8 }, () => flood(varlink, begin, 'x'.repeat(65_536), FLOOD_BYTES));
    expect(await timeOf(askVarlink)).toBeLessThan(PROMPT_MS);
    expect(await Promise.all(floods)).toEqual(Array(8).fill(''));
    const dropped = /^a client was dropped: a message is longer than 131072 bytes/;
    // What happens again and again is counted, and told once in a while.
    const drops = (): number =>
      daemon.lines.filter(({ msg }) => dropped.test(msg)).reduce((sum, { count }) => sum + Number(count), 0);
    await expect.poll(drops, { timeout: LIMIT_MS }).toBe(8);
    expect(daemon.residentBytes - beforeBytes).toBeLessThan(MEMORY_ROOM_BYTES);
  });

  it.each([
    ['no UTF-8', '{"method":"\xff"}\0'],
    ['no JSON', 'nope\0'],
    ['no call', '[]\0'],
    ['a call whose flag is none', '{"method":"org.varlink.service.GetInfo","more":1}\0'],
    ['too many brackets', `${'['.repeat(300)}${']'.repeat(300)}\0`],
  ])('that sends %s has what it asked before answered, and is cut off', async (_what, wrong) => {
    const client = await TextSocket.open(varlink);
    client.write(INFO + wrong + INFO);
    expect(await client.readTo('\0')).toContain('"product":"virtstatd"');
    await expect(client.readTo('\0')).rejects.toThrow(/the peer closed the connection|ECONNRESET/);
    await askVarlink();
  });

  it('is told what is wrong with a call, and goes on', async () => {
    const stats = 'org.virtstat.Stats';
    const given = (method: string, parameters: object): string => call(`${stats}.${method}`, { parameters });
    const wrong: readonly (readonly [call: string, reply: object])[] = [
      [call('org.nowhere.Call'), serviceError('InterfaceNotFound', { interface: 'org.nowhere' })],
      [call('nodots'), serviceError('InterfaceNotFound', { interface: '' })],
      [call(`${stats}.constructor`), serviceError('MethodNotFound', { method: `${stats}.constructor` })],
      [call(`${stats}.SetStats`), serviceError('MethodNotFound', { method: `${stats}.SetStats` })],
      [given('GetStats', {}), serviceError('InvalidParameter', { parameter: 'target' })],
      [given('GetStats', { target: 5 }), serviceError('InvalidParameter', { parameter: 'target' })],
      [given('GetStats', { target: 'vm', domains: 'x' }), serviceError('InvalidParameter', { parameter: 'domains' })],
      [
        given('GetStats', { target: 'vm', providers: [{ provider: 'kvm' }, { names: [] }] }),
        serviceError('InvalidParameter', { parameter: 'providers[1].provider' }),
      ],
      [given('GetStats', { target: 'vm', maxAgeMs: 1.5 }), serviceError('InvalidParameter', { parameter: 'maxAgeMs' })],
      [given('GetStats', { target: 'vm', maxAgeMs: -1 }), serviceError('InvalidParameter', { parameter: 'maxAgeMs' })],
      [given('GetStats', { target: 'vm', extra: 1 }), serviceError('InvalidParameter', { parameter: 'extra' })],
      [
        given('GetStats', { target: 'vm', domains: ['none'] }),
        { error: `${stats}.DomainNotFound`, parameters: { domain: 'none' } },
      ],
      [given('Watch', { target: 'vm', intervalMs: 1000 }), serviceError('ExpectedMore')],
      [
        call(`${stats}.Watch`, { more: true, parameters: { target: 'vm', intervalMs: 1 } }),
        serviceError('InvalidParameter', { parameter: 'intervalMs' }),
      ],
      [
        call(`${stats}.ListDomains`, { upgrade: true }),
        serviceError('MethodNotImplemented', { method: `${stats}.ListDomains` }),
      ],
    ];
    const calls = [...wrong.map(([text]) => text), call('org.varlink.service.GetInfo', { more: true, oneway: false })];
    const replies = await converse(calls, calls.length);
    expect(replies.slice(0, -1)).toEqual(wrong.map(([, reply]) => reply));
    // More than one reply may be asked of a method that has one: it is the last.
    expect(replies.at(-1)).toEqual({ parameters: expect.objectContaining({ product: 'virtstatd' }) });
  });

  it('gets no reply to calls without one, right or wrong', async () => {
    const oneway = { oneway: true };
    const silent = [call('org.varlink.service.GetInfo', oneway), call('org.nowhere.Call', oneway), call('x', oneway)];
    const [reply] = await converse([...silent, call('org.last.Call')], 1);
    expect(reply).toEqual(serviceError('InterfaceNotFound', { interface: 'org.last' }));
  });

  it('may send ten thousand calls at once, and gets the replies in their order', async () => {
    const calls = Array.from({ length: 10_000 }, (_, index) => call(`org.n${index}.Call`));
    const replies = await converse(calls, calls.length);
    expect(replies.map(({ parameters }) => parameters)).toEqual(
      calls.map((_, index) => ({ interface: `org.n${index}` })),
    );
  });
});

it('a reader of a daemon that was killed goes on with the next one, without being told', async () => {
  const runtimeDir = join(folder, 'again');
  const args = ['-c', CAPTURES, '--runtime-dir', runtimeDir] as const;
  const uri = `virtstat+unix:${join(runtimeDir, 'varlink')}`;
  await using first = await DaemonProcess.ready(...args);
  const query = ['query', 'vcpu', 'exits', '--json', '--watch=0.2'];
  const reader = spawn(process.execPath, [BIN, '-c', uri, ...query], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    let text = '';
    reader.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    /** The last whole line. */
    const last = (): string => text.split('\n').at(-2) ?? '';
    const isFresh = (): boolean => last().includes('"value":') && !/"(stale|error)":/.test(last());
    await expect.poll(isFresh, { timeout: LIMIT_MS }).toBe(true);
    expect(await first.end('SIGKILL')).toBe('SIGKILL');
    await expect.poll(() => /"(stale|error)":/.test(last()), { timeout: LIMIT_MS }).toBe(true);
    expect(reader.exitCode).toBeNull();
    await using _second = await DaemonProcess.ready(...args);
    await expect.poll(isFresh, { timeout: LIMIT_MS }).toBe(true);
  } finally {
    reader.kill('SIGKILL');
    await once(reader, 'close');
  }
});
