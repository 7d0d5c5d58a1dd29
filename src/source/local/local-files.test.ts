import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LocalFiles } from './local-files.ts';

const PID = process.pid;

let procRoot: string;
let nowMs: number;
let isGone: boolean;
let files: LocalFiles;

beforeEach(() => {
  procRoot = mkdtempSync(join(tmpdir(), 'virtstat-files-'));
  mkdirSync(join(procRoot, `${PID}/fd`), { recursive: true });
  nowMs = 0;
  isGone = false;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  files = new LocalFiles(PID, { procRoot, pathsOf: async () => [], hasExited: () => isGone });
});

afterEach(() => {
  files.close();
  vi.restoreAllMocks();
  rmSync(procRoot, { recursive: true, force: true });
});

/** What no longer holds once a file is kept. */
function keepFile(): void {
  symlinkSync('anon_inode:kvm-vcpu-stats:0', join(procRoot, `${PID}/fd/7`));
}

describe('a VMM that keeps no stats files', () => {
  it('is believed to keep none for five seconds, target by target', () => {
    const first = files.objection('vcpu');
    expect(first).toMatchObject({
      code: 'STATS_FILE_NOT_KEPT',
      message: expect.stringContaining('no vcpu stats file'),
    });
    keepFile();
    nowMs = 4999;
    expect(files.objection('vcpu')).toBe(first);
    expect(files.objection('vm')?.message).toContain('no vm stats file');
    nowMs = 5000;
    // The file is seen; that of this test cannot be shared.
    expect(files.objection('vcpu')).not.toBe(first);
  });

  it('is looked at again at once where it has exited', () => {
    const first = files.objection('vcpu');
    keepFile();
    isGone = true;
    expect(files.objection('vcpu')).not.toBe(first);
  });
});
