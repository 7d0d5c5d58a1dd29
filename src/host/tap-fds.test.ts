import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isStillHeld, listTapFds } from './tap-fds.ts';

let procRoot: string;

function addFd(fd: number, link: string, info = 'pos:\t0\nflags:\t0104002\n'): void {
  for (const folder of ['fd', 'fdinfo']) mkdirSync(join(procRoot, '7', folder), { recursive: true });
  symlinkSync(link, join(procRoot, '7/fd', `${fd}`));
  writeFileSync(join(procRoot, '7/fdinfo', `${fd}`), info);
}

beforeEach(() => {
  procRoot = mkdtempSync(join(tmpdir(), 'proc-'));
});
afterEach(() => rmSync(procRoot, { recursive: true }));

const tun = (name: string) => `pos:\t0\nflags:\t0104002\nmnt_id:\t85\nino:\t104\niff:\t${name}\n`;

it('taps are told by their fdinfo, wherever the node is', () => {
  addFd(10, '/dev/net/tun', tun('t1'));
  addFd(9, '/var/chroot/dev/net/tun', tun('a b:c,d'));
  addFd(3, '/dev/null');
  addFd(4, 'socket:[1]', tun('not-a-file'));
  addFd(5, '/dev/net/tun');
  addFd(6, '/dev/gone');
  expect(listTapFds(7, { procRoot })).toEqual([
    { fd: 9, device: 'a b:c,d', kind: 'tap', link: '/var/chroot/dev/net/tun' },
    { fd: 10, device: 't1', kind: 'tap', link: '/dev/net/tun' },
  ]);
});

it('cannot be looked at without the right, or in a process that is gone', () => {
  expect(listTapFds(8, { procRoot })).toBeUndefined();
});

it('are held until they are closed, or their number means something else', () => {
  addFd(9, '/dev/net/tun', tun('t1'));
  const [tap] = listTapFds(7, { procRoot }) ?? [];
  if (tap === undefined) throw new Error('no tap');
  expect(isStillHeld(7, tap, procRoot)).toBe(true);
  unlinkSync(join(procRoot, '7/fd/9'));
  expect(isStillHeld(7, tap, procRoot)).toBe(false);
  symlinkSync('socket:[2]', join(procRoot, '7/fd/9'));
  expect(isStillHeld(7, tap, procRoot)).toBe(false);
});
