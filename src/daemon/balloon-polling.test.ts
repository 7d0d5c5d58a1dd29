import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DomainListener } from '../face/face.ts';
import type { Domain } from '../model/domain.ts';
import type { BalloonPolling } from '../model/provider.ts';
import { QemuBalloonPolling } from '../source/qemu/balloon-polling.ts';
import { Monitor } from '../source/qemu/monitor.ts';
import { FakeBalloon } from '../testing/fake-balloon.ts';
import { FakeMonitor } from '../testing/fake-monitor.ts';
import { BalloonJournal } from './balloon-journal.ts';
import { DaemonPolling } from './balloon-polling.ts';
import type { Log } from './log.ts';

/** A VM with a balloon, as the daemon sees it. */
interface FakeVm {
  readonly domain: Domain;
  readonly balloon: FakeBalloon;
  readonly polling: BalloonPolling;
}

let folder: string;
let cleanup: (() => Promise<unknown>)[];
let vms: FakeVm[];
let listener: DomainListener | undefined;
let lines: Record<string, unknown>[];

const note = (facts: object, msg: string): void => void lines.push({ ...facts, msg });
const log: Log = {
  ...{ debug: note, info: note, warn: note, error: note, flush: async () => undefined },
  setLevel: () => undefined,
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-polling-'));
  [cleanup, vms, lines, listener] = [[], [], [], undefined];
});
afterEach(async () => {
  for (const each of cleanup.reverse()) await each();
  rmSync(folder, { recursive: true });
});

async function addVm(name: string, source = 'test:'): Promise<FakeVm> {
  const balloon = new FakeBalloon();
  const fake = await FakeMonitor.listen({ commands: balloon.commands });
  const monitor = new Monitor(fake.address);
  cleanup.push(
    () => fake.close(),
    () => monitor.close(),
  );
  const vm = { domain: { id: `id-${name}`, name, source }, balloon, polling: new QemuBalloonPolling(monitor) };
  vms.push(vm);
  return vm;
}

function daemon(): DaemonPolling {
  const polling = new DaemonPolling({
    domains: {
      get current() {
        return vms.map(({ domain }) => domain);
      },
      subscribe: (each) => {
        listener = each;
        return () => (listener = undefined);
      },
    },
    pollingOf: async (id) => vms.find(({ domain }) => domain.id === id)?.polling,
    journal: BalloonJournal.open(folder, () => undefined),
    log,
  });
  cleanup.push(() => polling.stop());
  return polling;
}

const rule = (domains: string, intervalSeconds = 2) => ({ domains: [domains], intervalSeconds });
const becomes = (vm: FakeVm, interval: number) => vi.waitFor(() => expect(vm.balloon.interval).toBe(interval));

describe('polling by the daemon', () => {
  it('is off unless a rule names the domain; the first that does holds', async () => {
    const [web, db] = [await addVm('web-1'), await addVm('db')];
    const polling = daemon();
    polling.configure([rule('web-*', 3), rule('web-1', 4)]);
    await becomes(web, 3);
    await polling.stop();
    expect([web.balloon.set, db.balloon.set]).toEqual([[3, 0], []]);
  });

  it('follows the rules, from interval to interval and back to none', async () => {
    const vm = await addVm('web');
    const polling = daemon();
    polling.configure([rule('*')]);
    await becomes(vm, 2);
    polling.configure([rule('*', 5)]);
    await becomes(vm, 5);
    polling.configure([]);
    await becomes(vm, 0);
    expect(vm.balloon.set).toEqual([2, 0, 5, 0]);
  });

  it('begins with a domain that comes', async () => {
    const polling = daemon();
    polling.configure([rule('*')]);
    const vm = await addVm('late');
    listener?.onCome(vm.domain);
    await becomes(vm, 2);
  });

  it('keeps what it has set where a domain is told to go and to come because its name has changed', async () => {
    const vm = await addVm('web');
    const polling = daemon();
    polling.configure([rule('*')]);
    await becomes(vm, 2);
    listener?.onGo(vm.domain);
    const renamed = { ...vm, domain: { ...vm.domain, name: 'renamed' } };
    vms[0] = renamed;
    listener?.onCome(renamed.domain);
    await polling.stop();
    expect(vm.balloon.set).toEqual([2, 0]);
  });

  it('forgets a domain that went', async () => {
    const vm = await addVm('web');
    const polling = daemon();
    polling.configure([rule('*')]);
    await becomes(vm, 2);
    vms.length = 0;
    listener?.onGo(vm.domain);
    await vi.waitFor(() => expect(BalloonJournal.open(folder, () => undefined).get(vm.domain.id)).toBeUndefined());
    await polling.stop();
    expect(vm.balloon.set).toEqual([2]);
  });

  it('goes on with what an earlier one has set, or puts it back', async () => {
    const [kept, left, theirs] = [await addVm('kept'), await addVm('left'), await addVm('theirs')];
    const before = BalloonJournal.open(folder, () => undefined);
    for (const { domain, balloon } of vms) {
      before.note(domain.id, { device: '/machine/peripheral/balloon0', intervalSeconds: 2 });
      balloon.interval = 2;
    }
    theirs.balloon.interval = 3;
    const polling = daemon();
    polling.configure([rule('kept')]);
    await becomes(left, 0);
    await polling.stop();
    expect([kept.balloon.set, left.balloon.set, theirs.balloon.set]).toEqual([[0], [0], []]);
    expect(lines).toContainEqual({ domain: 'kept', seconds: 2, owner: 'ours', msg: 'a balloon is polled' });
  });

  it('leaves the domains of sources that are being closed, and not the others', async () => {
    const [here, there] = [await addVm('here'), await addVm('there', 'other:')];
    const polling = daemon();
    polling.configure([rule('*')]);
    await Promise.all([becomes(here, 2), becomes(there, 2)]);
    await polling.leave(new Set(['other:']));
    expect(there.balloon.interval).toBe(0);
    polling.configure([rule('*')]);
    await polling.leave(new Set(['other:']));
    expect([here.balloon.set, there.balloon.set]).toEqual([[2], [2, 0]]);
  });

  it('says once what comes of each domain', async () => {
    const [theirs, none, mute] = [await addVm('theirs'), await addVm('none'), await addVm('mute')];
    theirs.balloon.interval = 9;
    none.balloon.path = undefined;
    Object.assign(mute, { polling: undefined });
    const polling = daemon();
    for (let round = 0; round < 3; round++) polling.configure([rule('*')]);
    await polling.leave(new Set());
    expect(lines).toEqual([
      { domain: 'theirs', seconds: 9, owner: 'theirs', msg: 'a balloon is polled' },
      { domain: 'none', msg: 'there is no balloon to poll' },
      {
        domain: 'mute',
        code: 'USAGE',
        reason: expect.stringContaining('mute'),
        msg: 'the polling of a balloon cannot be switched',
      },
    ]);
  });

  it('ends whatever is under way, and what it has set with it', async () => {
    const vm = await addVm('web');
    const polling = daemon();
    polling.configure([rule('*')]);
    await polling.stop();
    await polling.stop();
    polling.configure([rule('*')]);
    await polling.leave(new Set());
    expect(vm.balloon.interval).toBe(0);
  });
});
