// @ts-check
// Takes VictoriaMetrics of Debian 13 (1.112) out of its package into the lab folder: the one of Debian 12 has no receiver of OTLP.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { APT_OPTIONS, debianMirror } from '../../scripts/steps/debian.js';
import { mustRun, StepError, say } from '../../scripts/steps/run.js';
import { NEWER_VICTORIA_METRICS } from './folder.js';

const SUITE = 'trixie';
const LIMIT_MS = 120_000;

/**
 * Makes it unless it is there.
 * @throws {StepError} saying why it could not be made
 */
export async function makeNewerVictoriaMetrics() {
  if (existsSync(NEWER_VICTORIA_METRICS)) return;
  const mirror = debianMirror();
  if (mirror === undefined) throw new StepError("this machine's apt sources name no Debian mirror");
  say(`taking VictoriaMetrics of Debian ${SUITE} into ${NEWER_VICTORIA_METRICS} (once; 41 MB)`);
  const folder = `${NEWER_VICTORIA_METRICS}.${process.pid}`;
  try {
    mkdirSync(join(folder, 'lists/partial'), { recursive: true });
    // This machine's keyring may be older than the suite.
    writeFileSync(join(folder, 'sources.list'), `deb [trusted=yes] ${mirror} ${SUITE} main\n`);
    const settings = [
      `Dir::Etc::SourceList=${folder}/sources.list`,
      'Dir::Etc::SourceParts=/dev/null',
      `Dir::State::Lists=${folder}/lists`,
      'Dir::Cache::PkgCache=',
      'Dir::Cache::SrcPkgCache=',
    ].flatMap((setting) => ['-o', setting]);
    const apt = (/** @type {readonly string[]} */ args) =>
      mustRun('apt-get', [...APT_OPTIONS, ...settings, ...args], {
        what: `apt-get ${args[0]} of ${SUITE}`,
        timeoutMs: LIMIT_MS,
        quiet: true,
        cwd: folder,
      });
    await apt(['update']);
    await apt(['download', 'victoria-metrics']);
    const [deb = ''] = readdirSync(folder).filter((name) => name.endsWith('.deb'));
    const options = { what: 'dpkg-deb', timeoutMs: LIMIT_MS, quiet: true, cwd: folder };
    await mustRun('dpkg-deb', ['--extract', deb, 'whole'], options);
    mkdirSync(dirname(NEWER_VICTORIA_METRICS), { recursive: true });
    renameSync(join(folder, 'whole/usr/bin/victoria-metrics'), NEWER_VICTORIA_METRICS);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
