import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, vi } from 'vitest';
import { VirtstatError } from '../model/errors.ts';
import { JoinedSignal, whileWanted, withDeadline } from './deadline.ts';

const never = () => new Promise<never>(() => undefined);
const limit = (timeoutMs: number, signal = new AbortController().signal) => ({ signal, timeoutMs, what: 'it' });

describe('withDeadline', () => {
  it('gives what the work gives, and its error', async () => {
    expect(await withDeadline(async () => 1, limit(1000))).toBe(1);
    await expect(withDeadline(() => Promise.reject(new RangeError('x')), limit(1000))).rejects.toThrow(RangeError);
  });

  it('ends a work that does not listen', async () => {
    await expect(withDeadline(never, limit(10))).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: 'it gave no answer within 10 ms',
    });
  });

  it('tells the work why it should stop', async () => {
    let reason: unknown;
    const work = (signal: AbortSignal) => {
      signal.addEventListener('abort', () => (reason = signal.reason));
      return never();
    };
    await expect(withDeadline(work, limit(10))).rejects.toThrow();
    expect(reason).toMatchObject({ code: 'TIMEOUT' });
  });

  it('ends with the caller’s signal: at once, also when it fired before', async () => {
    const controller = new AbortController();
    const waiting = withDeadline(never, limit(10_000, controller.signal));
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(withDeadline(never, limit(10_000, controller.signal))).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('passes an error of ours in the signal through', async () => {
    const error = new VirtstatError('CLOSED', 'closed');
    await expect(withDeadline(never, limit(10_000, AbortSignal.abort(error)))).rejects.toBe(error);
  });

  it('does not leave a late failure unhandled', async () => {
    const late = () => new Promise<never>((_, reject) => setTimeout(() => reject(new Error('late')), 20));
    await expect(withDeadline(late, limit(5))).rejects.toMatchObject({ code: 'TIMEOUT' });
    await new Promise((resolve) => setTimeout(resolve, 30));
  });
});

it('whileWanted ends one wait, not the shared work', async () => {
  let finish: (value: number) => void = () => undefined;
  const shared = new Promise<number>((resolve) => (finish = resolve));
  const controller = new AbortController();
  const leaving = whileWanted(shared, controller.signal, 'it');
  const staying = whileWanted(shared, new AbortController().signal, 'it');
  controller.abort();
  await expect(leaving).rejects.toMatchObject({ code: 'CANCELLED' });
  finish(7);
  expect(await staying).toBe(7);
});

it('whileWanted leaves no failure of the work unhandled, also where nobody waited', async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', note);
  try {
    const wait = whileWanted(Promise.reject(new Error('failed')), AbortSignal.abort(), 'it');
    await expect(wait).rejects.toMatchObject({ code: 'CANCELLED' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
  }
});

it('many waits under one signal cost no more each than few', async () => {
  const controller = new AbortController();
  const shared = new Promise<never>(() => undefined);
  const startMs = performance.now();
  const waits = Array.from({ length: 40_000 }, () => whileWanted(shared, controller.signal, 'it'));
  // Where each wait looks at all others, this takes a quarter of a minute; else a few hundredths of a second.
  expect(performance.now() - startMs).toBeLessThan(2000);
  controller.abort();
  await Promise.allSettled(waits);
});

it('a signal ends every wait under it', async () => {
  const controller = new AbortController();
  const waits = Array.from({ length: 100 }, () => withDeadline(never, limit(10_000, controller.signal)));
  controller.abort();
  for (const outcome of await Promise.allSettled(waits)) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'CANCELLED' } });
  }
});

describe('a joined signal', () => {
  it('fires with the first of its own, with its reason, and calls who waits', async () => {
    const [first, second] = [new AbortController(), new AbortController()];
    using joined = new JoinedSignal(undefined, first.signal, second.signal);
    const waiting = whileWanted(never(), joined.signal, 'it');
    second.abort(new VirtstatError('CLOSED', 'closed'));
    first.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' });
    expect(joined.signal.reason).toMatchObject({ code: 'CLOSED' });
    using late = new JoinedSignal(first.signal, second.signal);
    expect(late.signal.aborted).toBe(true);
  });

  it('leaves nothing behind in those that go on', async () => {
    const lasting = new AbortController();
    const made: WeakRef<AbortSignal>[] = [];
    for (let turn = 0; turn < 100; turn++) {
      using joined = new JoinedSignal(lasting.signal, new AbortController().signal);
      await whileWanted(Promise.resolve(), joined.signal, 'it');
      made.push(new WeakRef(joined.signal));
    }
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    // The last ones may still stand somewhere on the stack.
    await vi.waitFor(() => {
      collect();
      expect(made.filter((each) => each.deref() !== undefined).length).toBeLessThan(5);
    });
    expect(lasting.signal.aborted).toBe(false);
  });
});
