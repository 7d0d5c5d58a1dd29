import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KERNEL_TEXT, KernelFile, MAX_KERNEL_TEXT_BYTES, OpenPlaces } from './kernel-files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kernel-files-'));
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function fileAt(path: string, places: OpenPlaces = new OpenPlaces(8)) {
  const opened = { count: 0 };
  const file = new KernelFile(() => {
    opened.count++;
    return openSync(path, 'r');
  }, places);
  const text = () => KERNEL_TEXT.toString('latin1', 0, file.read());
  return { file, opened, text };
}

describe('a file of the kernel', () => {
  it('is opened once and read anew each time', () => {
    const path = write('a', 'one');
    const { file, opened, text } = fileAt(path);
    expect([text(), text()]).toEqual(['one', 'one']);
    writeFileSync(path, 'three');
    expect(text()).toBe('three');
    expect(opened.count).toBe(1);
    file.close();
    file.close();
    expect(text()).toBe('three');
    expect(opened.count).toBe(2);
    file.close();
  });

  it('is read no further than a page', () => {
    const { file, text } = fileAt(write('a', 'x'.repeat(MAX_KERNEL_TEXT_BYTES + 1)));
    expect(text()).toHaveLength(MAX_KERNEL_TEXT_BYTES);
    file.close();
  });

  it('of a process that has ended is that of no other one', async () => {
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    const { file, text } = fileAt(`/proc/${child.pid}/schedstat`);
    expect(text()).toMatch(/^\d+ \d+ \d+\n$/);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(text).toThrow(expect.objectContaining({ code: 'PATH_NOT_FOUND' }));
    expect(file.isOpen).toBe(false);
  });

  it('that is refused is not tried again for a while', () => {
    let nowMs = 1000;
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    const path = join(folder, 'later');
    const { file, opened, text } = fileAt(path);
    expect(text).toThrow(expect.objectContaining({ code: 'PATH_NOT_FOUND' }));
    write('later', 'there');
    expect(text).toThrow(expect.objectContaining({ code: 'PATH_NOT_FOUND' }));
    expect(opened.count).toBe(1);
    nowMs += 5000;
    expect(text()).toBe('there');
    file.close();
  });

  it('says what keeps it from being read', () => {
    const { text } = fileAt(folder);
    expect(text).toThrow(
      expect.objectContaining({ code: 'STATS_FILE_UNREADABLE', message: expect.stringMatching(/EISDIR/) }),
    );
  });
});

describe('open places', () => {
  it('bound what stays open; what finds none is opened for each read', () => {
    const places = new OpenPlaces(2);
    const files = ['a', 'b', 'c'].map((name) => fileAt(write(name, name), places));
    const before = readdirSync('/proc/self/fd').length;
    for (let round = 0; round < 3; round++) expect(files.map(({ text }) => text())).toEqual(['a', 'b', 'c']);
    expect(files.map(({ file }) => file.isOpen)).toEqual([true, true, false]);
    expect(files.map(({ opened }) => opened.count)).toEqual([1, 1, 3]);
    expect(readdirSync('/proc/self/fd').length).toBe(before + 2);
    files[0]?.file.close();
    expect([files[2]?.text(), files[2]?.file.isOpen]).toEqual(['c', true]);
    for (const { file } of files) file.close();
    expect(places.size).toBe(0);
  });

  it('are given back by what nobody reads', () => {
    vi.useFakeTimers();
    const places = new OpenPlaces(8);
    const [read, unread] = ['a', 'b'].map((name) => fileAt(write(name, name), places));
    unread?.text();
    for (let round = 0; round < 3; round++) {
      read?.text();
      vi.advanceTimersByTime(10_000);
    }
    expect([read?.file.isOpen, unread?.file.isOpen]).toEqual([true, false]);
    vi.advanceTimersByTime(20_000);
    expect(places.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(unread?.text()).toBe('b');
    unread?.file.close();
  });
});
