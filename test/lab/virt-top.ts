import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const LIMIT_MS = 40_000;

/** What virt-top says of one moment: the fields before those of domains, then those of each domain. */
export interface VirtTopRow {
  readonly host: Readonly<Record<string, string>>;
  readonly domains: readonly Readonly<Record<string, string>>[];
}

/** The program virt-top: `$VIRT_TOP`, else the one that is installed; or why there is none: the reason to skip with. */
export function virtTop(): { readonly path: string } | { readonly reason: string } {
  const path = process.env['VIRT_TOP'] || 'virt-top';
  try {
    execFileSync(path, ['--version'], { stdio: 'ignore', timeout: LIMIT_MS });
    return { path };
  } catch {
    return { reason: `${path} cannot be run; name a virt-top with VIRT_TOP=PATH` };
  }
}

/** Has virt-top look `rounds` times, a second apart, and gives what it writes as CSV. */
export async function virtTopRows(path: string, uri: string, rounds: number): Promise<readonly VirtTopRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-virt-top-'));
  const file = join(folder, 'rows.csv');
  try {
    const how = ['--no-init-file', '--script', '--csv', file, '-n', `${rounds}`, '-d', '1'];
    await promisify(execFile)(path, ['-c', uri, ...how], { timeout: LIMIT_MS });
    const [header = [], ...rows] = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(','));
    const start = header.indexOf('Domain ID');
    const names = header.slice(start);
    return rows.map((row) => {
      const count = Math.floor((row.length - start) / names.length);
      const domains = Array.from({ length: count }, (_, index) =>
        named(names, row.slice(start + index * names.length, start + (index + 1) * names.length)),
      );
      return { host: named(header.slice(0, start), row), domains };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function named(names: readonly string[], values: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']));
}
