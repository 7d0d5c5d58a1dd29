// @ts-check
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastTelling, run, StepError, say } from './run.js';

/**
 * What the tests run on, beyond Node.js: a file that shows that a package is there, and the package.
 * @type {readonly (readonly [file: string, name: string, neededFor: string])[]}
 */
export const TEST_PACKAGES = [
  ['/usr/bin/qemu-system-x86_64', 'qemu-system-x86', 'tests against a live QEMU'],
  ['/usr/share/seabios/bios-256k.bin', 'seabios', 'tests against a live QEMU'],
  ['/usr/bin/gcc', 'gcc', 'the guest of the tests, and the C programs that tests and benchmarks compare with'],
  ['/usr/include/stdio.h', 'libc6-dev', 'the C programs that tests and benchmarks compare with'],
  ['/usr/bin/openssl', 'openssl', 'certificates for tests of TLS'],
  ['/usr/sbin/debootstrap', 'debootstrap', 'tests against a newer QEMU'],
  ['/usr/sbin/libvirtd', 'libvirt-daemon', 'tests against libvirt'],
  [
    '/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so',
    'libvirt-daemon-driver-qemu',
    'tests against libvirt',
  ],
  ['/usr/bin/virsh', 'libvirt-clients', 'tests against libvirt'],
  ['/usr/bin/qemu-img', 'qemu-utils', 'tests against libvirt'],
  ['/usr/sbin/saslpasswd2', 'sasl2-bin', 'tests against a libvirt with passwords'],
  ['/usr/lib/x86_64-linux-gnu/sasl2/libscram.so', 'libsasl2-modules', 'tests against a libvirt with passwords'],
  ['/usr/lib/python3/dist-packages/libvirt.py', 'python3-libvirt', 'tests and benchmarks against libvirt'],
  ['/usr/sbin/ip', 'iproute2', 'tests with network devices'],
  ['/usr/bin/python3', 'python3', 'tests with network devices'],
  [
    '/usr/lib/python3/dist-packages/prometheus_client',
    'python3-prometheus-client',
    'tests of metrics against the reference parser',
  ],
  ['/usr/bin/prometheus', 'prometheus', 'tests of metrics and of pushing to Prometheus'],
  ['/usr/bin/victoria-metrics', 'victoria-metrics', 'tests of pushing to VictoriaMetrics'],
  ['/usr/bin/fish', 'fish', 'tests of shell completion'],
  ['/usr/bin/zsh', 'zsh', 'tests of shell completion'],
  ['/usr/bin/tmux', 'tmux', 'tests of live screens'],
];

const INSTALL_LIMIT_MS = 420_000;
const UPDATE_LIMIT_MS = 120_000;
const POLICY = '/usr/sbin/policy-rc.d';

/** Options for every apt-get: a lab machine's clock may be wrong, and its apt may be busy. */
export const APT_OPTIONS = [
  '-q',
  '-o',
  'Acquire::Check-Valid-Until=false',
  '-o',
  'APT::Sandbox::User=root',
  '-o',
  'DPkg::Lock::Timeout=120',
];

/** The Debian packages of {@link TEST_PACKAGES} that this machine lacks. */
export function missingPackages() {
  return TEST_PACKAGES.filter(([file]) => !existsSync(file));
}

/**
 * Installs Debian packages from where this machine's apt takes them: without recommended ones, and without letting any
 * start a daemon.
 * @param {readonly string[]} names
 */
export async function installDebianPackages(names) {
  say(`installing Debian packages: ${names.join(' ')}`);
  const ownPolicy = !existsSync(POLICY);
  const removePolicy = () => rmSync(POLICY, { force: true });
  if (ownPolicy) {
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    process.on('exit', removePolicy);
  }
  try {
    const install = ['install', '-y', '--no-install-recommends', ...names];
    if ((await aptGet(install, INSTALL_LIMIT_MS)).status === 0) return;
    say('the package lists are missing or old: fetching them');
    await aptGet(['update'], UPDATE_LIMIT_MS);
    const { status, output } = await aptGet(install, INSTALL_LIMIT_MS);
    if (status !== 0) throw new StepError(`apt-get could not install ${names.join(' ')}: ${lastTelling(output)}`);
  } finally {
    if (ownPolicy) removePolicy();
    process.off('exit', removePolicy);
  }
}

/**
 * @param {readonly string[]} args
 * @param {number} timeoutMs
 */
function aptGet(args, timeoutMs) {
  return run('apt-get', [...APT_OPTIONS, ...args], {
    what: `apt-get ${args[0]}`,
    timeoutMs,
    quiet: true,
    env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
  });
}

/**
 * The mirror that this machine takes Debian itself from, or undefined where its apt names none.
 * @param {string} [folder]
 */
export function debianMirror(folder = '/etc/apt') {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const codename = /^VERSION_CODENAME="?([a-z]+)/m.exec(release)?.[1] ?? 'stable';
  const parts = join(folder, 'sources.list.d');
  const files = [
    join(folder, 'sources.list'),
    ...(existsSync(parts)
      ? readdirSync(parts)
          .sort()
          .map((name) => join(parts, name))
      : []),
  ];
  for (const file of files.filter((name) => /\.(list|sources)$/.test(name) && existsSync(name))) {
    const mirror = mirrorIn(readFileSync(file, 'utf8'), file.endsWith('.sources'), codename);
    if (mirror !== undefined) return mirror;
  }
  return undefined;
}

/**
 * The mirror of the suite's component `main` that an apt sources file names.
 * @param {string} text
 * @param {boolean} deb822 the format: stanzas of fields, else a line each
 * @param {string} codename of the suite; `stable` is taken for it too
 * @returns {string | undefined} without a slash at its end
 */
export function mirrorIn(text, deb822, codename) {
  const entries = deb822 ? stanzas(text) : lines(text);
  const entry = entries.find(
    ({ types, suites, components }) =>
      types.includes('deb') &&
      suites.some((suite) => suite === codename || suite === 'stable') &&
      components.includes('main'),
  );
  return entry?.uris.find((uri) => /^(https?|file):/.test(uri))?.replace(/\/+$/, '');
}

/**
 * @param {string} text in deb822 format (sources.list(5))
 */
function stanzas(text) {
  const withoutComments = text.replace(/^#.*\n?/gm, '');
  return withoutComments.split(/\n[ \t]*\n/).flatMap((stanza) => {
    /** @type {Map<string, string[]>} */
    const fields = new Map();
    for (const field of stanza.replace(/\n[ \t]+/g, ' ').split('\n')) {
      const [, name, value] = /^([\w-]+):(.*)$/.exec(field) ?? [];
      if (name !== undefined && value !== undefined) fields.set(name.toLowerCase(), value.trim().split(/\s+/));
    }
    if (fields.get('enabled')?.[0] === 'no') return [];
    const get = (/** @type {string} */ name) => fields.get(name) ?? [];
    return [{ types: get('types'), uris: get('uris'), suites: get('suites'), components: get('components') }];
  });
}

/**
 * @param {string} text in the one-line format (sources.list(5))
 */
function lines(text) {
  return text.split('\n').map((line) => {
    const words = line
      .replace(/#.*/, '')
      .replace(/\[[^\]]*\]/, ' ')
      .trim()
      .split(/\s+/);
    const [type = '', uri = '', suite = '', ...components] = words;
    return { types: [type], uris: [uri], suites: [suite], components };
  });
}
