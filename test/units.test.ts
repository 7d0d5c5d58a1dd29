import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

const UNITS = new URL('../packaging/systemd/', import.meta.url).pathname;

it('systemd finds nothing wrong with the units', (context) => {
  if (spawnSync('systemd-analyze', ['--version']).status !== 0) context.skip('systemd-analyze is not installed');
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-units-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const names = readdirSync(UNITS).filter((name) => /\.(service|socket)$/.test(name));
  expect(names).toContain('virtstatd.service');
  for (const name of names) {
    // The daemon need not be installed here.
    writeFileSync(
      join(folder, name),
      readFileSync(join(UNITS, name), 'utf8').replaceAll('/usr/bin/virtstatd', '/bin/true'),
    );
  }
  const paths = names.map((name) => join(folder, name));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', ...paths], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
});
