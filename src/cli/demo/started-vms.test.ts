import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { endVms, type Recipe, startVms } from './started-vms.ts';

const never = new AbortController().signal;

/** A recipe whose process is a shell, ready when it says so. */
function shell(name: string, command: string, folders: string[] = []): Recipe {
  return {
    name,
    command: (folder) => {
      folders.push(folder);
      return ['/bin/sh', '-c', command];
    },
    async whenReady(process, signal) {
      const ready = await process.nextLine();
      if (ready === undefined) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
  };
}

describe('startVms', () => {
  it('starts all and ends all', async () => {
    const vms = await startVms(
      [shell('one', 'echo up; exec sleep 600'), shell('two', 'echo up; exec sleep 600')],
      never,
    );
    expect(vms.map(({ name }) => name)).toEqual(['one', 'two']);
    expect(vms.every(({ process }) => existsSync(`/proc/${process.pid}`))).toBe(true);
    await endVms(vms);
    expect(vms.some(({ process }) => existsSync(`/proc/${process.pid}`))).toBe(false);
  });

  it('leaves none where one fails, and says what that one said last', async () => {
    const folders: string[] = [];
    const good = shell('good', 'echo up; exec sleep 600', folders);
    const bad = shell('bad', 'echo a warning >&2; echo could not access KVM >&2; exit 1', folders);
    await expect(startVms([good, bad], never)).rejects.toMatchObject({
      code: 'DEMO_FAILED',
      message: 'bad: its process ended while it started; it said: could not access KVM; --vms replay needs no VM',
    });
    expect(folders).toHaveLength(2);
    expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
  });

  it('says so where a program is not there', async () => {
    const missing: Recipe = { ...shell('missing', ''), command: () => ['/no/such/program'] };
    await expect(startVms([missing], never)).rejects.toThrow(/missing: .*no\/such\/program.*not found/);
  });

  it('ends what it has started when it is no longer wanted', async () => {
    const folders: string[] = [];
    const controller = new AbortController();
    const slow = shell('slow', 'exec >&-; exec sleep 600', folders);
    const starting = startVms([slow], controller.signal);
    setTimeout(() => controller.abort(), 100);
    await expect(starting).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
  });
});
