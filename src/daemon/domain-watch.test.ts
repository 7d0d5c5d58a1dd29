import { describe, expect, it } from 'vitest';
import type { DomainListener, FaceLog } from '../face/face.ts';
import type { Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { DomainAnswer } from '../registry/answer.ts';
import { DomainWatch } from './domain-watch.ts';

const at = (id: string, name = id, source = 's'): DomainAnswer<never> => ({
  domain: { id, name, source },
  items: [],
  errors: [],
});
const failed = (source: string, reason = 'broken'): DomainAnswer<never> => ({
  domain: { id: source, name: source, source },
  items: [],
  errors: [new VirtstatError('ACCESS_DENIED', reason)],
});

/** A watch over what `house.answers` holds, and all that it says. */
function watched(intervalMs = 3_600_000) {
  const told: string[] = [];
  const lines: string[] = [];
  const house: { answers: readonly DomainAnswer<never>[] | Error; looks: number } = { answers: [], looks: 0 };
  const log: FaceLog = { info: (_facts, line) => void lines.push(line), warn: (_facts, line) => void lines.push(line) };
  const watch = new DomainWatch(
    async () => {
      house.looks++;
      if (house.answers instanceof Error) throw house.answers;
      return house.answers;
    },
    intervalMs,
    log,
  );
  const listener: DomainListener = {
    onCome: ({ name }: Domain) => void told.push(`+${name}`),
    onGo: ({ name }: Domain) => void told.push(`-${name}`),
  };
  return { watch, house, told, lines, listener };
}

describe('DomainWatch', () => {
  it('tells who is there, who comes and who goes', async () => {
    const { watch, house, told, listener } = watched();
    house.answers = [at('a')];
    await watch.look();
    const unsubscribe = watch.subscribe(listener);
    house.answers = [at('a'), at('b')];
    await watch.look();
    await watch.look();
    house.answers = [at('b')];
    await watch.look();
    expect(told).toEqual(['+a', '+b', '-a']);
    expect(watch.current.map(({ name }) => name)).toEqual(['b']);
    unsubscribe();
    house.answers = [];
    await watch.look();
    expect(told).toHaveLength(3);
    await watch.stop();
  });

  it('takes another name for another domain', async () => {
    const { watch, house, told, listener } = watched();
    watch.subscribe(listener);
    for (const name of ['qmp+unix:/a', 'lab-1']) {
      house.answers = [at('id', name)];
      await watch.look();
    }
    expect(told).toEqual(['+qmp+unix:/a', '-qmp+unix:/a', '+lab-1']);
    await watch.stop();
  });

  it('keeps the domains of a source that cannot be searched for a while, and logs that once', async () => {
    const { watch, house, told, lines, listener } = watched();
    watch.subscribe(listener);
    house.answers = [at('a', 'a', 'x'), at('b', 'b', 'y')];
    await watch.look();
    for (let round = 0; round < 3; round++) {
      house.answers = [failed('x'), at('b', 'b', 'y')];
      await watch.look();
    }
    expect(told).toEqual(['+a', '+b']);
    house.answers = [at('b', 'b', 'y')];
    await watch.look();
    expect(told).toEqual(['+a', '+b', '-a']);
    expect(lines).toEqual([
      ...['domain came', 'domain came', 'source cannot be searched', 'source can be searched again', 'domain went'],
    ]);
    await watch.stop();
  });

  it('goes on after a search, or a listener, that failed', async () => {
    const { watch, house, told, lines, listener } = watched();
    watch.subscribe({
      onGo: listener.onGo,
      onCome: () => {
        throw new Error('listener');
      },
    });
    watch.subscribe(listener);
    house.answers = new Error('search');
    await watch.look();
    house.answers = [at('a')];
    await watch.look();
    expect(told).toEqual(['+a']);
    expect(lines).toEqual(['domains cannot be looked for', 'domain came', 'a face failed to follow the domains']);
    await watch.stop();
  });

  it('looks in every interval, also a changed one, until it is stopped', async () => {
    const { watch, house } = watched();
    await watch.look();
    watch.intervalMs = 10;
    await expect.poll(() => house.looks).toBeGreaterThan(3);
    await watch.stop();
    const { looks } = house;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(house.looks).toBe(looks);
  });

  it('looks once for all who ask at once', async () => {
    const { watch, house } = watched();
    await Promise.all([watch.look(), watch.look(), watch.look()]);
    expect(house.looks).toBe(1);
    await watch.stop();
  });
});
