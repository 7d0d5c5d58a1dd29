import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

it('has written the code of protobuf messages that is there', () => {
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-proto-'));
  try {
    execFileSync(process.execPath, [join(ROOT, 'scripts/proto.js'), folder], { cwd: ROOT, stdio: 'pipe' });
    const made = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    expect(made.sort()).toEqual(['otlp/common_pb.ts', 'otlp/metrics_pb.ts', 'remote-write/remote_pb.ts']);
    for (const name of made) {
      expect(readFileSync(join(ROOT, 'src/protocol', name), 'utf8'), `${name}: run npm run proto`).toBe(
        readFileSync(join(folder, name), 'utf8'),
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
