import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { type FakeFault, FakeMonitor } from '../src/testing.ts';
import { plainFile } from './lab/hostile-files.ts';

const WORKER = fileURLToPath(new URL('lab/failing-queries.ts', import.meta.url));
const LIMIT_MS = 50_000;
const ROUNDS = 250;

/** What a heap may differ by from one collection to the next, in bytes: a leak of 8 kB a round is more. */
const NOISE_BYTES = 2_000_000;

const folder = mkdtempSync(join(tmpdir(), 'leaks-'));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Counted {
  readonly before: { readonly fds: number; readonly heapBytes: number };
  readonly after: { readonly fds: number; readonly heapBytes: number };
  readonly codes: Readonly<Record<string, number>>;
}

function countLeaks(uris: readonly string[]): Promise<Counted> {
  return new Promise((resolve, reject) => {
    const args = ['--expose-gc', WORKER, String(ROUNDS), ...uris];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: LIMIT_MS });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve(JSON.parse(text) as Counted);
      else reject(new Error(`${WORKER} ended with ${status}`));
    });
  });
}

it('hundreds of failing queries leave no descriptor and no memory behind', async () => {
  const cut = join(folder, 'cut.bin');
  writeFileSync(cut, plainFile().subarray(0, 100));
  const faults: readonly FakeFault[] = [
    'never-greets',
    'no-qmp',
    'never-answers',
    'dies-in-mid-reply',
    'wrong-id',
    'garbage',
    'binary',
    'deep-nesting',
    'wrong-shape',
  ];
  const fakes: FakeMonitor[] = [];
  try {
    for (const fault of faults) {
      // Two registries ask at once.
      fakes.push(await FakeMonitor.listen({ fault, path: join(folder, fault), isOneClient: false }));
    }
    const uris = [...fakes.map(({ uri }) => uri), `kvm+file:${cut}`, 'qmp+unix:/nonexistent', 'qmp+tcp://127.0.0.1:1'];
    const { before, after, codes } = await countLeaks(uris);
    expect(after.fds).toBeLessThanOrEqual(before.fds + 2);
    expect(after.heapBytes - before.heapBytes).toBeLessThan(NOISE_BYTES);
    expect(codes['STATS_FILE_TRUNCATED']).toBeGreaterThan(ROUNDS);
    expect(codes['PATH_NOT_FOUND']).toBeGreaterThan(ROUNDS);
    for (const code of ['TIMEOUT', 'CONNECTION_LOST', 'JSON_INVALID']) expect(codes[code]).toBeGreaterThan(0);
    for (const fake of fakes) expect(fake.openConnections).toBe(0);
  } finally {
    for (const fake of fakes) await fake.close();
  }
});
