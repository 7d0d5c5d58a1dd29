import { describe, expect, it, vi } from 'vitest';
import { FakeMonitor } from '../../testing/fake-monitor.ts';
import { Monitor } from './monitor.ts';
import { RunState } from './run-state.ts';

const options = { signal: new AbortController().signal };

/** A VM whose status can be changed with events, or without any. */
class Vm {
  readonly #fake: FakeMonitor;
  readonly #told: { status: string };
  #seconds = 1_764_000_000;

  constructor(fake: FakeMonitor, told: { status: string }) {
    this.#fake = fake;
    this.#told = told;
  }

  /** Returns when the last of the events happened. */
  become(status: string, ...events: string[]): bigint {
    this.#told.status = status;
    for (const event of events) {
      this.#fake.send({ timestamp: { seconds: ++this.#seconds, microseconds: 5 }, event });
    }
    return BigInt(this.#seconds) * 1_000_000_000n + 5000n;
  }

  get asked(): number {
    return this.#fake.requests.filter(({ command }) => command === 'query-status').length;
  }

  async hangUp(): Promise<void> {
    this.#fake.disconnect();
    await expect.poll(() => this.#fake.openConnections).toBe(0);
  }
}

async function withVm(use: (vm: Vm, state: RunState) => Promise<void>): Promise<void> {
  const told = { status: 'running' };
  const commands = { 'query-status': () => ({ ...told, running: told.status === 'running' }) };
  await using fake = await FakeMonitor.listen({ commands });
  const monitor = new Monitor(fake.address);
  try {
    await use(new Vm(fake, told), new RunState(monitor));
  } finally {
    await monitor.close();
  }
}

describe('the run state', () => {
  it('is asked for once, and has no beginning that nobody saw', async () => {
    await withVm(async (vm, state) => {
      for (let turn = 0; turn < 5; turn++)
        expect(await state.get(options)).toEqual({ status: 'running', running: true });
      expect(vm.asked).toBe(1);
    });
  });

  it('changes with an event, which says since when', async () => {
    await withVm(async (vm, state) => {
      await state.get(options);
      const stopped = vm.become('paused', 'STOP');
      const paused = { status: 'paused', running: false, sinceNs: stopped };
      await vi.waitFor(async () => expect(await state.get(options)).toEqual(paused));
      vm.become('paused', 'RESET');
      await vi.waitFor(() => expect(state.get(options).then(() => vm.asked)).resolves.toBe(3));
      expect(await state.get(options)).toEqual(paused);
      const again = vm.become('paused', 'RESUME', 'STOP');
      await vi.waitFor(async () => expect((await state.get(options)).sinceNs).toBe(again));
      const ended = vm.become('shutdown', 'SHUTDOWN');
      await vi.waitFor(async () =>
        expect(await state.get(options)).toMatchObject({ status: 'shutdown', sinceNs: ended }),
      );
      const asked = vm.asked;
      await state.get(options);
      expect(vm.asked).toBe(asked);
    });
  });

  it('does not take the time of an event that contradicts it', async () => {
    await withVm(async (vm, state) => {
      await state.get(options);
      vm.become('running', 'STOP');
      await vi.waitFor(() => expect(state.get(options).then(() => vm.asked)).resolves.toBe(2));
      expect(await state.get(options)).toEqual({ status: 'running', running: true });
    });
  });

  it('has no beginning on another connection: nobody listened in between', async () => {
    await withVm(async (vm, state) => {
      await state.get(options);
      vm.become('paused', 'STOP');
      await vi.waitFor(async () => expect(await state.get(options)).toHaveProperty('sinceNs'));
      await vm.hangUp();
      expect(await state.get(options)).toEqual({ status: 'paused', running: false });
    });
  });

  it('has no beginning where QEMU cannot tell the time', async () => {
    await using fake = await FakeMonitor.listen();
    const monitor = new Monitor(fake.address);
    const state = new RunState(monitor);
    await state.get(options);
    fake.send({ timestamp: { seconds: -1, microseconds: -1 }, event: 'RESUME' });
    await vi.waitFor(async () => {
      expect(await state.get(options)).toEqual({ status: 'running', running: true });
      expect(fake.requests.filter(({ command }) => command === 'query-status')).toHaveLength(2);
    });
    await monitor.close();
  });
});
