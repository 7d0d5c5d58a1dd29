// @ts-check
// Makes a small Debian 13 system with its QEMU (10.0) in the lab folder, for tests that need a QEMU >= 8.1, and with the
// varlinkctl of its systemd (257).
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { debianMirror } from '../../scripts/steps/debian.js';
import { mustRun, run, StepError, say } from '../../scripts/steps/run.js';
import { NEWER_QEMU_ROOT } from './folder.js';

const SUITE = 'trixie';
const BOOTSTRAP_LIMIT_MS = 300_000;
const INSTALL_LIMIT_MS = 300_000;
/** A chroot with device nodes needs these; a lab machine's own are copied. */
const DEVICES = ['/dev/kvm', '/dev/net/tun'];

/**
 * Makes the chroot unless it is there.
 * @throws {StepError} saying why it could not be made
 */
export async function makeNewerQemu() {
  if (existsSync(NEWER_QEMU_ROOT)) return;
  const mirror = debianMirror();
  if (mirror === undefined) throw new StepError("this machine's apt sources name no Debian mirror");
  const root = `${NEWER_QEMU_ROOT}.${process.pid}`;
  say(`making a Debian ${SUITE} with its QEMU in ${NEWER_QEMU_ROOT} (once; a minute or two, 350 MB)`);
  const remove = () => rmSync(root, { recursive: true, force: true });
  process.on('exit', remove);
  try {
    await bootstrap(root, mirror);
    await install(root, ['qemu-system-x86', 'seabios', 'systemd']);
    await addDevices(root);
    await mustRun('chroot', [root, 'qemu-system-x86_64', '--version'], {
      what: 'the newer QEMU',
      timeoutMs: 20_000,
      quiet: true,
    });
    if (!existsSync(NEWER_QEMU_ROOT)) renameSync(root, NEWER_QEMU_ROOT);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

/**
 * @param {string} root
 * @param {string} mirror
 */
async function bootstrap(root, mirror) {
  writeSettings(root, await aptNetworkSettings());
  const options = { what: 'debootstrap', timeoutMs: BOOTSTRAP_LIMIT_MS, quiet: true, env: await proxyEnvironment() };
  // A mount namespace of its own: what debootstrap mounts goes with it, even when it is killed.
  const command = ['--mount', '--propagation', 'private', '--', 'debootstrap', '--variant=minbase'];
  const first = await run('unshare', [...command, SUITE, root, mirror], options);
  if (first.status === 0) return;
  if (!/unknown key|no keyring/i.test(first.output)) throw new StepError(`debootstrap failed: ${tail(first.output)}`);
  say(`this machine's keyring is older than ${SUITE}: going on without a check of its signature`);
  rmSync(root, { recursive: true, force: true });
  writeSettings(root, await aptNetworkSettings());
  await mustRun('unshare', [...command, '--no-check-gpg', SUITE, root, mirror], options);
  writeFileSync(join(root, 'etc/apt/sources.list'), `deb [trusted=yes] ${mirror} ${SUITE} main\n`);
}

/**
 * @param {string} root
 * @param {readonly string[]} names
 */
async function install(root, names) {
  for (const file of ['/etc/resolv.conf', '/etc/hosts', '/etc/ssl/certs/ca-certificates.crt']) {
    if (existsSync(file)) copyFileSync(file, join(root, file));
  }
  const options = {
    timeoutMs: INSTALL_LIMIT_MS,
    quiet: true,
    env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
  };
  const inRoot = (/** @type {readonly string[]} */ args) =>
    mustRun('chroot', [root, 'apt-get', '-q', ...args], { ...options, what: `apt-get ${args[0]} in the chroot` });
  await inRoot(['update']);
  await inRoot(['install', '-y', ...names]);
  await inRoot(['clean']);
}

/**
 * @param {string} root
 * @param {string} network lines of apt.conf
 */
function writeSettings(root, network) {
  const write = (/** @type {string} */ path, /** @type {string} */ text, mode = 0o644) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode });
  };
  write(
    'etc/apt/apt.conf.d/lab',
    `Acquire::Check-Valid-Until "false"; APT::Sandbox::User "root"; APT::Install-Recommends "false";\n${network}`,
  );
  const unread = ['doc', 'man', 'locale', 'info'].map((name) => `path-exclude=/usr/share/${name}/*\n`);
  write('etc/dpkg/dpkg.cfg.d/lab', `${unread.join('')}force-unsafe-io\n`);
  write('usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n', 0o755);
  mkdirSync(join(root, 'etc/ssl/certs'), { recursive: true });
}

/** How this machine's apt reaches the network, as lines of apt.conf. */
async function aptNetworkSettings() {
  const { output } = await run('apt-config', ['dump', 'Acquire'], {
    what: 'apt-config',
    timeoutMs: 10_000,
    quiet: true,
  });
  const wanted = output.split('\n').filter((line) => /^Acquire::https?::(Proxy|CaInfo)\b/i.test(line));
  return wanted.map((line) => `${line}\n`).join('');
}

/** debootstrap does not read apt's settings: a proxy among them goes into its environment. */
async function proxyEnvironment() {
  const proxy = /^Acquire::http::Proxy "(http[^"]+)"/im.exec(await aptNetworkSettings())?.[1];
  return proxy === undefined ? {} : { http_proxy: proxy, https_proxy: proxy };
}

/**
 * @param {string} root
 */
async function addDevices(root) {
  for (const device of DEVICES) {
    if (!existsSync(device) || existsSync(join(root, device))) continue;
    mkdirSync(dirname(join(root, device)), { recursive: true });
    await mustRun('cp', ['-a', device, join(root, device)], {
      what: `copying ${device}`,
      timeoutMs: 5_000,
      quiet: true,
    });
  }
}

/**
 * @param {string} output
 */
function tail(output) {
  return output.trim().split('\n').slice(-2).join(' / ');
}
