import { execFile, spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import type { TestContext } from 'vitest';
import { type JsonObject, parseJson } from '../../src/protocol/json/json.ts';
import { newerQemuRoot } from './qemu.ts';

const LIMIT = { timeout: 20_000 };

/** The words that start systemd's client: the one that `VARLINKCTL` names, the machine's own, or that beside the newer QEMU. */
const COMMAND: readonly string[] | undefined = [[process.env['VARLINKCTL'] ?? 'varlinkctl'], ...inNewerRoot()].find(
  ([program = '', ...words]) => spawnSync(program, [...words, '--version'], LIMIT).status === 0,
);

/** The chroot has the temporary folder, with the sockets of the tests, at the same path, and nobody else sees it there. */
function inNewerRoot(): readonly (readonly string[])[] {
  const newer = newerQemuRoot();
  if ('reason' in newer) return [];
  const mounts = 'mkdir -p "$1$2" && mount --bind "$2" "$1$2" && mount --bind /proc "$1/proc"';
  const script = `${mounts} && root=$1 && shift 2 && exec chroot "$root" varlinkctl "$@"`;
  return [['unshare', '--mount', '--propagation', 'private', '--', 'sh', '-c', script, 'sh', newer.root, tmpdir()]];
}

/** Skips a test where there is no such client. */
export function needVarlinkctl(context: TestContext): void {
  if (COMMAND === undefined) context.skip('varlinkctl (systemd 257 or newer) is not here; VARLINKCTL may name it');
}

/** What it prints. Rejects, with what it says, where it fails. */
export async function varlinkctl(...args: readonly string[]): Promise<string> {
  const [program = '', ...words] = COMMAND ?? [];
  const { stdout } = await promisify(execFile)(program, [...words, ...args], LIMIT);
  return stdout;
}

/** The JSON objects that it prints, one for each line; several begin with a record separator (RFC 7464). */
export async function varlinkctlJson(...args: readonly string[]): Promise<readonly JsonObject[]> {
  const lines = (await varlinkctl('--json=short', ...args)).replaceAll('\x1e', '').split('\n');
  return lines.filter((line) => line.startsWith('{')).map((line) => parseJson(line) as JsonObject);
}
