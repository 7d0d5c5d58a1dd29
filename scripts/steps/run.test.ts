import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isNewEnough } from './project.js';
import { lastTelling, mustRun, run, StepError } from './run.js';

const LIMIT_MS = 10_000;

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
}

describe('run', () => {
  it('gives status and output', async () => {
    const options = { what: 'it', timeoutMs: LIMIT_MS, quiet: true };
    expect(await run('sh', ['-c', 'echo out; echo err >&2; exit 3'], options)).toEqual({
      status: 3,
      timedOut: false,
      output: 'out\nerr\n',
    });
  });

  it('gives 127 for a command that does not exist, 128 + N for signal N', async () => {
    const options = { what: 'it', timeoutMs: LIMIT_MS, quiet: true };
    expect((await run('no-such-command', [], options)).status).toBe(127);
    expect((await run('sh', ['-c', 'kill -KILL $$'], options)).status).toBe(137);
  });

  it('ends a command at its limit, with all that it started', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'virtstat-run-'));
    try {
      const file = join(folder, 'pid');
      const script = `sleep 60 & echo $! > ${file}; wait`;
      const { timedOut } = await run('sh', ['-c', script], { what: 'it', timeoutMs: 500, quiet: true });
      expect(timedOut).toBe(true);
      expect(isAlive(Number(readFileSync(file, 'utf8')))).toBe(false);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('changes the environment as told', async () => {
    const options = { what: 'it', timeoutMs: LIMIT_MS, quiet: true, env: { VIRTSTAT_A: 'b', HOME: undefined } };
    expect((await run('sh', ['-c', 'echo $VIRTSTAT_A-$HOME-'], options)).output).toBe('b--\n');
  });
});

describe('mustRun', () => {
  it('rejects with one line that tells what failed and what was said', async () => {
    const failing = mustRun('sh', ['-c', 'echo error: no luck; echo bye; exit 2'], {
      what: 'luck',
      timeoutMs: LIMIT_MS,
      quiet: true,
    });
    await expect(failing).rejects.toThrow(new StepError('luck failed with status 2: error: no luck'));
  });
});

describe('lastTelling', () => {
  it('prefers what looks like an error', () => {
    expect(lastTelling('npm error code ENOTFOUND\nnpm error A complete log of this run can be found in: x\n')).toBe(
      'npm error code ENOTFOUND',
    );
    expect(lastTelling('one\ntwo\n\n')).toBe('two');
    expect(lastTelling('')).toBe('');
  });
});

describe('isNewEnough', () => {
  it.each([
    ['20.19.4', false],
    ['22.17.1', false],
    ['22.18.0', true],
    ['23.0.0', true],
    ['24.21.0', true],
  ])('%s: %s', (version, expected) => expect(isNewEnough(version)).toBe(expected));
});
