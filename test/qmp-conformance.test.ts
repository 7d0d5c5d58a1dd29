import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QmpFace } from '../src/face/qmp/face.ts';
import type { Domain } from '../src/model/domain.ts';
import type { Source } from '../src/model/provider.ts';
import { Registry } from '../src/registry/registry.ts';
import { LocalSource } from '../src/source/local/local-source.ts';
import { QemuSource } from '../src/source/qemu/source.ts';
import { faceContext } from './lab/face-context.ts';
import { newerQemuRoot, startQemu, type Vm, type VmOptions, whyNoVm } from './lab/qemu.ts';
import { TextSocket } from './lab/text-socket.ts';

/**
 * The same requests to a real QEMU and to virtstatd's QMP face in front of the same VM, which is paused so that nothing
 * moves: what comes back is the same, byte for byte. Each request has a connection of its own and is followed by a byte that
 * makes every parser begin anew, and by a request that marks the end.
 *
 * A request in the data file is text with a character for each byte, or parts that are repeated.
 */
type Request = string | { readonly parts: readonly (readonly [text: string, times: number])[] };
interface Group {
  readonly name: string;
  readonly mode: 'negotiation' | 'command' | 'oob';
  readonly requests: readonly Request[];
}

const GROUPS: readonly Group[] = JSON.parse(
  readFileSync(new URL('fixtures/qmp/requests.json', import.meta.url), 'utf8'),
);

const PRELUDE: Readonly<Record<Group['mode'], string>> = {
  negotiation: '',
  command: '{"execute":"qmp_capabilities","id":"<begin>"}',
  oob: '{"execute":"qmp_capabilities","arguments":{"enable":["oob"]},"id":"<begin>"}',
};
const END = '\xff{"execute":"query-name","id":"<end>"}';
const END_MARK = '"<end>"';

const bytesOf = (request: Request): string =>
  typeof request === 'string' ? request : request.parts.map(([text, times]) => text.repeat(times)).join('');

/** Everything that a monitor says to a request, from the greeting on. `send` says how it is sent. */
async function converse(path: string, mode: Group['mode'], send: (socket: TextSocket) => void): Promise<string> {
  const socket = await TextSocket.open(path);
  try {
    const greeting = await socket.readTo('\n');
    socket.write(PRELUDE[mode]);
    const negotiated = mode === 'negotiation' ? '' : await socket.readTo('\n');
    send(socket);
    const answers = await socket.readTo(END_MARK);
    return greeting + negotiated + answers + (await socket.readTo('\n'));
  } finally {
    socket.close();
  }
}

/** What virtstatd says of a QEMU that is still busy with what it was asked before, on a machine that has other work. */
const LATE = /gave no answer within|sent no greeting within|has not answered yet/;
/** Longer than it is remembered that a monitor was late. */
const LATE_LIMIT_MS = 15_000;

/** The same with virtstatd, asked again where QEMU itself was late. */
async function converseInTime(...args: Parameters<typeof converse>): Promise<string> {
  const deadlineMs = performance.now() + LATE_LIMIT_MS;
  for (;;) {
    const answers = await converse(...args);
    if (!LATE.test(answers) || performance.now() > deadlineMs) return answers;
    await sleep(1000);
  }
}

const atOnce = (request: Request) => (socket: TextSocket) => socket.write(bytesOf(request) + END);
const byteByByte = (request: Request) => (socket: TextSocket) => {
  for (const byte of bytesOf(request) + END) socket.write(byte);
};

const byMonitor = (vm: Vm): Source => new QemuSource(`qmp+unix:${vm.qmpPaths[0]}`);
/** By the kernel's files where QEMU keeps them open. */
const byFiles = (vm: Vm): Source => new LocalSource({ pids: [vm.pid] });

const WAYS: readonly (readonly [
  name: string,
  options: () => VmOptions | { readonly reason: string },
  typeof byFiles,
])[] = [
  ['the QEMU of this machine, by its monitor', () => ({}), byMonitor],
  ['a newer QEMU, by its monitor', newerQemuRoot, byMonitor],
  ['a newer QEMU, by the kernel’s files', newerQemuRoot, byFiles],
];

describe.each(WAYS)('virtstatd in front of %s answers as QEMU', (_, choose, sourceOf) => {
  const options = choose();
  const reason = 'reason' in options ? options.reason : whyNoVm({ accel: 'kvm', paused: true, ...options });
  let vm: Vm;
  let registry: Registry;
  let face: QmpFace;
  let qemu = '';
  let ours = '';

  beforeAll(async () => {
    if (reason !== undefined) return;
    const args = [
      ...['-device', 'virtio-balloon-pci,id=balloon0', '-object', 'iothread,id=io0'],
      ...['-blockdev', 'driver=null-co,node-name=disk0,read-zeroes=on'],
      ...['-device', 'virtio-blk-pci,drive=disk0,iothread=io0,id=vd0'],
    ];
    vm = await startQemu({ ...options, accel: 'kvm', paused: true, qmp: 2, args });
    registry = new Registry([sourceOf(vm)]);
    const [answer] = await registry.list();
    const domain = answer?.domain as Domain;
    face = new QmpFace({ monitors: registry });
    await face.listen({
      ...faceContext(vm.folder, registry),
      domains: {
        current: [domain],
        subscribe: ({ onCome }) => {
          onCome(domain);
          return () => undefined;
        },
      },
      log: { info: () => undefined, warn: (facts, message) => console.warn(message, facts) },
    });
    qemu = vm.qmpPaths[1] ?? '';
    ours = `${vm.folder}/qmp/${vm.name}.sock`;
  });
  afterAll(async () => {
    await face?.close();
    await registry?.close();
    await vm?.stop();
  });

  it('has more than two hundred requests to send', () => {
    expect(GROUPS.flatMap(({ requests }) => requests).length).toBeGreaterThan(200);
  });

  for (const { name, mode, requests } of GROUPS) {
    it(`${name}: ${requests.length} requests`, { timeout: 120_000 }, async (context) => {
      if (reason !== undefined) context.skip(reason);
      const different: unknown[] = [];
      for (const request of requests) {
        const theirs = await converse(qemu, mode, atOnce(request));
        const mine = await converseInTime(ours, mode, atOnce(request));
        if (mine !== theirs) different.push({ request: bytesOf(request).slice(0, 300), mine, theirs });
      }
      expect(different).toEqual([]);
    });
  }

  it('byte by byte', { timeout: 120_000 }, async (context) => {
    if (reason !== undefined) context.skip(reason);
    const different: unknown[] = [];
    for (const { mode, requests } of GROUPS) {
      for (const request of requests.filter((_, at) => at % 3 === 0 && bytesOf(requests[at] as Request).length < 500)) {
        const theirs = await converse(qemu, mode, atOnce(request));
        const mine = await converseInTime(ours, mode, byteByByte(request));
        if (mine !== theirs) different.push({ request: bytesOf(request), mine, theirs });
      }
    }
    expect(different).toEqual([]);
  });

  it('answers what a client still wanted when it half-closed', async (context) => {
    if (reason !== undefined) context.skip(reason);
    const answers = await halfClosed(ours, `${PRELUDE.command}{"execute":"query-name"}`);
    expect(answers).toBe(await halfClosed(qemu, `${PRELUDE.command}{"execute":"query-name"}`));
    expect(answers).toContain(`{"return": {"name": "${vm.name}"}}`);
  });

  it('lists the commands that exist, and describes them in QEMU’s words', async (context) => {
    if (reason !== undefined) context.skip(reason);
    const ask = async (path: string, command: string): Promise<readonly Record<string, unknown>[]> => {
      const text = await converse(path, 'command', atOnce(`{"execute":"${command}"}`));
      return JSON.parse(text.split('\r\n')[2] ?? '').return;
    };
    for (const command of ['query-commands', 'query-qmp-schema']) {
      const [theirs, mine] = [await ask(qemu, command), await ask(ours, command)];
      const kept = new Set(mine.map((entry) => JSON.stringify(entry)));
      // The same entries in the same order, less those that do not exist here.
      expect(mine).toEqual(theirs.filter((entry) => kept.has(JSON.stringify(entry))));
      const names = mine.filter((entry) => (entry['meta-type'] ?? 'command') === 'command').map(({ name }) => name);
      expect(names).toHaveLength(17);
      expect(names).not.toContain('qom-set');
      expect(mine.length).toBeLessThan(theirs.length);
    }
  });

  it('lets many in at once', async (context) => {
    if (reason !== undefined) context.skip(reason);
    const request = '{"execute":"query-stats","arguments":{"target":"vcpu"}}';
    const answers = await Promise.all(Array.from({ length: 50 }, () => converse(ours, 'command', atOnce(request))));
    expect(new Set(answers).size).toBe(1);
  });
});

async function halfClosed(path: string, text: string): Promise<string> {
  const { connect } = await import('node:net');
  const socket = connect({ path, allowHalfOpen: true });
  socket.setEncoding('latin1');
  let received = '';
  const ended = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: string) => {
      if (received === '') setTimeout(() => socket.end(text, 'latin1'), 100);
      received += chunk;
    });
    socket.once('end', resolve).once('error', reject);
  });
  await ended;
  socket.destroy();
  return received;
}
