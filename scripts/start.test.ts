import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** Stands for `virtstat demo`: notes what reaches it, and ends as the real one does. */
const FAKE_DEMO = `
const { appendFileSync } = require('node:fs');
const note = (text) => appendFileSync('notes', text + '\\n');
note(process.argv.slice(2).join(' ') + ' ' + process.env.VIRTSTAT_PARENT_IPC);
if (process.argv[3] === 'exit') process.exit(Number(process.argv[4]));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => { note(signal); process.exit(7); });
process.on('disconnect', () => { note('disconnect'); process.exit(8); });
setInterval(() => {}, 1000);
note('pid ' + process.pid);
`;

const WAIT_LIMIT_MS = 10_000;
let project: string;
let start: ChildProcess | undefined;
let said = '';

/** A project in which nothing is to be installed or built. */
function makeProject(): string {
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-start-'));
  for (const name of ['bin', 'src', 'dist', 'node_modules']) mkdirSync(join(folder, name));
  cpSync(new URL('.', import.meta.url).pathname, join(folder, 'scripts'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{}');
  writeFileSync(join(folder, 'scripts/package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'bin/virtstat.cjs'), FAKE_DEMO);
  for (const name of ['package-lock.json', 'node_modules/.package-lock.json', 'src/a.ts']) {
    writeFileSync(join(folder, name), '');
  }
  return folder;
}

async function built(): Promise<void> {
  await sleep(20);
  writeFileSync(join(project, 'dist/.built'), '');
}

function runStart(args: readonly string[] = []): Promise<number | null> {
  const script = join(project, 'scripts/start.js');
  const child = spawn(process.execPath, [script, ...args], { cwd: project, stdio: ['ignore', 'ignore', 'pipe'] });
  start = child;
  said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return new Promise((resolve) => child.on('close', (code) => resolve(code)));
}

async function notes(mark: string): Promise<string> {
  const path = join(project, 'notes');
  for (const deadlineMs = Date.now() + WAIT_LIMIT_MS; Date.now() < deadlineMs; await sleep(20)) {
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    if (text.includes(mark)) return text;
  }
  throw new Error(`the demo did not note ${mark}`);
}

describe('npm start', () => {
  beforeEach(async () => {
    project = makeProject();
    await built();
  });
  afterEach(() => {
    start?.kill('SIGKILL');
    const pid = /pid (\d+)/.exec(
      existsSync(join(project, 'notes')) ? readFileSync(join(project, 'notes'), 'utf8') : '',
    );
    try {
      if (pid?.[1] !== undefined) process.kill(Number(pid[1]), 'SIGKILL');
    } catch {
      // It has ended, as it should.
    }
    rmSync(project, { recursive: true, force: true });
  });

  it('runs the demo with its arguments and ends with its status', async () => {
    expect(await runStart(['exit', '5'])).toBe(5);
    expect(await notes('exit')).toBe('demo exit 5 1\n');
  });

  it.each(['SIGTERM', 'SIGHUP', 'SIGINT'] as const)('passes %s on', async (signal) => {
    const status = runStart();
    await notes('pid');
    start?.kill(signal);
    expect(await status).toBe(7);
    expect(await notes(signal)).toContain(signal);
  });

  it('is missed by the demo when it is killed', async () => {
    const status = runStart();
    await notes('pid');
    start?.kill('SIGKILL');
    await status;
    expect(await notes('disconnect')).toContain('disconnect');
  });

  it('says that src does not compile, and fails', async () => {
    rmSync(join(project, 'dist/.built'));
    // No compiler here either: whatever tsc cannot do ends the same way.
    expect(await runStart()).toBe(1);
    expect(said).toMatch(/^virtstat: building\nvirtstat: src does not compile:\n/);
    expect(existsSync(join(project, 'notes'))).toBe(false);
  });
});
