import { describe, expect, it } from 'vitest';
import { connectStream } from '../host/stream.ts';
import { QmpCommandError } from '../protocol/qmp/messages.ts';
import { Monitor } from '../source/qemu/monitor.ts';
import { FakeMonitor, type FakeMonitorOptions } from './fake-monitor.ts';

const options = { signal: new AbortController().signal };

async function ask(fake: FakeMonitor, command: string, args?: { readonly [name: string]: string }): Promise<unknown> {
  const monitor = new Monitor(fake.address);
  try {
    return await monitor.execute(command, args, options);
  } finally {
    await monitor.close();
  }
}

describe('FakeMonitor', () => {
  it('answers the queries that a healthy monitor answers', async () => {
    await using fake = await FakeMonitor.listen({ name: 'lab' });
    const answers = ['query-status', 'query-kvm', 'query-cpus-fast', 'query-version', 'query-name', 'query-uuid'];
    for (const command of answers) await expect(ask(fake, command)).resolves.toBeTypeOf('object');
    expect(await ask(fake, 'query-name')).toEqual({ name: 'lab' });
    expect(await ask(fake, 'query-stats', { target: 'vm' })).toEqual([]);
    expect(await ask(fake, 'query-stats-schemas')).toEqual([]);
  });

  it('refuses as QEMU does', async () => {
    await using fake = await FakeMonitor.listen();
    await expect(ask(fake, 'nope')).rejects.toMatchObject({
      className: 'CommandNotFound',
      desc: 'The command nope has not been found',
    });
    await expect(ask(fake, 'query-stats')).rejects.toMatchObject({ desc: "Parameter 'target' is missing" });
  });

  it('takes commands of your own, and takes others away', async () => {
    const commands: FakeMonitorOptions['commands'] = {
      'query-balloon': () => ({ actual: 2n ** 64n - 1n }),
      'query-kvm': null,
      'query-block': () => {
        throw new QmpCommandError('query-block', 'DeviceNotFound', 'no disk');
      },
    };
    await using fake = await FakeMonitor.listen({ commands });
    expect(await ask(fake, 'query-balloon')).toEqual({ actual: 18446744073709551615n });
    await expect(ask(fake, 'query-kvm')).rejects.toMatchObject({ className: 'CommandNotFound' });
    await expect(ask(fake, 'query-block')).rejects.toMatchObject({ className: 'DeviceNotFound', desc: 'no disk' });
  });

  it('serves one client at a time, the next when the first has gone, unless told otherwise', async () => {
    for (const isOneClient of [true, false]) {
      await using fake = await FakeMonitor.listen({ isOneClient });
      const greeted: number[] = [];
      const streams = [];
      for (const index of [0, 1]) {
        const stream = await connectStream(fake.address, { ...options, timeoutMs: 1000 });
        stream.listen({ onData: () => greeted.push(index), onEnd: () => undefined });
        streams.push(stream);
      }
      await expect.poll(() => greeted).toEqual(isOneClient ? [0] : [0, 1]);
      streams[0]?.close();
      await expect.poll(() => greeted).toEqual([0, 1]);
    }
  });

  it('passes over a client that gave up waiting', async () => {
    await using fake = await FakeMonitor.listen();
    const connect = () => connectStream(fake.address, { ...options, timeoutMs: 1000 });
    const [served, impatient] = [await connect(), await connect()];
    for (const stream of [served, impatient]) stream.listen({ onData: () => undefined, onEnd: () => undefined });
    await expect.poll(() => fake.openConnections).toBe(2);
    impatient.close();
    await expect.poll(() => fake.openConnections).toBe(1);
    const asked = ask(fake, 'query-name');
    await expect.poll(() => fake.openConnections).toBe(2);
    served.close();
    await expect(asked).resolves.toEqual({ name: 'fake' });
    expect(fake.requests.at(-1)).toMatchObject({ command: 'query-name', connection: 3 });
  });

  it('goes on behind what it could not understand, also when both came at once', async () => {
    await using fake = await FakeMonitor.listen();
    const stream = await connectStream(fake.address, { ...options, timeoutMs: 1000 });
    let heard = '';
    stream.listen({ onData: (chunk) => (heard += new TextDecoder().decode(chunk)), onEnd: () => undefined });
    stream.write(new TextEncoder().encode('{"execute":]}\n{"execute":"qmp_capabilities","id":7}'));
    await expect.poll(() => heard).toContain('"id":7');
    stream.close();
  });

  it('expects the negotiation first', async () => {
    await using fake = await FakeMonitor.listen();
    const stream = await connectStream(fake.address, { ...options, timeoutMs: 1000 });
    let heard = '';
    stream.listen({ onData: (chunk) => (heard += new TextDecoder().decode(chunk)), onEnd: () => undefined });
    stream.write(new TextEncoder().encode('{"execute":"query-name","id":[1]}{"broken"'));
    stream.write(Uint8Array.of(0xff));
    await expect.poll(() => heard).toContain('qmp_capabilities');
    await expect.poll(() => heard).toContain('JSON parse error');
    expect(heard).toContain('"id":[1]');
    stream.close();
  });
});
