// @ts-check
// Makes a small Linux guest with a balloon driver in the lab folder: Debian's kernel for clouds, busybox, and an init of our own.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { APT_OPTIONS } from '../../scripts/steps/debian.js';
import { mustRun, run, StepError, say } from '../../scripts/steps/run.js';
import { LINUX_GUEST } from './folder.js';

const META_PACKAGE = 'linux-image-cloud-amd64';
const DOWNLOAD_LIMIT_MS = 180_000;
const UNPACK_LIMIT_MS = 60_000;
/** What the guest loads; those that its kernel has built in are not needed. */
const MODULES = [
  'virtio_ring',
  'virtio',
  'virtio_pci_legacy_dev',
  'virtio_pci_modern_dev',
  'virtio_pci',
  'virtio_balloon',
];
const INIT = fileURLToPath(new URL('linux-guest-init.sh', import.meta.url));

/**
 * Makes kernel and initramfs unless they are there, made with the init of now.
 * @throws {StepError} saying why they could not be made
 */
export async function makeLinuxGuest() {
  if (isMade()) return;
  if (process.arch !== 'x64') throw new StepError('the Linux guest is an amd64 one');
  say(`making a Linux guest in ${LINUX_GUEST} (once; 30 MB to download)`);
  const folder = `${LINUX_GUEST}.${process.pid}`;
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.on('exit', remove);
  try {
    mkdirSync(folder, { recursive: true });
    await unpack(await kernelPackage(), folder);
    await unpack('busybox-static', folder);
    const kernel = readdirSync(join(folder, 'root/boot')).find((name) => name.startsWith('vmlinuz-'));
    if (kernel === undefined) throw new StepError(`${META_PACKAGE} has no kernel in it`);
    renameSync(join(folder, 'root/boot', kernel), join(folder, 'vmlinuz'));
    const files = [
      ...['bin', 'dev', 'proc', 'sys', 'data', 'modules'].map((name) => entry(name, 0o40_755)),
      entry('init', 0o100_755, readFileSync(INIT)),
      entry('bin/busybox', 0o100_755, readFileSync(busyboxIn(join(folder, 'root')))),
      ...(await modulesIn(join(folder, 'root'))).map(([name, bytes]) => entry(`modules/${name}.ko`, 0o100_644, bytes)),
      entry('TRAILER!!!', 0),
    ];
    writeFileSync(join(folder, 'initrd'), gzipSync(Buffer.concat(files), { level: 1 }));
    writeFileSync(join(folder, 'init'), readFileSync(INIT));
    rmSync(join(folder, 'root'), { recursive: true });
    chmodSync(folder, 0o755);
    rmSync(LINUX_GUEST, { recursive: true, force: true });
    renameSync(folder, LINUX_GUEST);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

function isMade() {
  const init = join(LINUX_GUEST, 'init');
  return existsSync(init) && readFileSync(init).equals(readFileSync(INIT));
}

/** The package that holds the kernel which the meta package names now. */
async function kernelPackage() {
  const find = async () => {
    const { output } = await run('apt-cache', ['depends', META_PACKAGE], {
      what: 'apt-cache',
      timeoutMs: 20_000,
      quiet: true,
    });
    return /Depends: (linux-image-\d\S*)/.exec(output)?.[1];
  };
  let found = await find();
  if (found === undefined) {
    await aptGet(['update']);
    found = await find();
  }
  if (found === undefined) throw new StepError(`this machine's apt knows no ${META_PACKAGE}`);
  return found;
}

/**
 * Downloads a package and unpacks it below the folder, without installing it on this machine.
 * @param {string} name
 * @param {string} folder
 */
async function unpack(name, folder) {
  const downloads = join(folder, 'download');
  mkdirSync(downloads, { recursive: true });
  if ((await aptGet(['download', name], downloads)).status !== 0) {
    await aptGet(['update']);
    const { status, output } = await aptGet(['download', name], downloads);
    if (status !== 0) throw new StepError(`apt-get could not download ${name}: ${output.trim().split('\n').at(-1)}`);
  }
  for (const file of readdirSync(downloads).filter((each) => each.endsWith('.deb'))) {
    await mustRun('dpkg-deb', ['-x', join(downloads, file), join(folder, 'root')], {
      what: `unpacking ${name}`,
      timeoutMs: UNPACK_LIMIT_MS,
      quiet: true,
    });
  }
  rmSync(downloads, { recursive: true });
}

/**
 * @param {readonly string[]} args
 * @param {string} [cwd]
 */
function aptGet(args, cwd) {
  return run('apt-get', [...APT_OPTIONS, ...args], {
    what: `apt-get ${args[0]}`,
    timeoutMs: DOWNLOAD_LIMIT_MS,
    quiet: true,
    env: { LC_ALL: 'C.UTF-8' },
    ...(cwd !== undefined && { cwd }),
  });
}

/**
 * @param {string} root
 */
function busyboxIn(root) {
  const path = ['usr/bin/busybox', 'bin/busybox'].map((name) => join(root, name)).find((each) => existsSync(each));
  if (path === undefined) throw new StepError('busybox-static has no busybox in it');
  return path;
}

/**
 * The modules that the guest loads, by name, uncompressed.
 * @param {string} root
 * @returns {Promise<readonly (readonly [name: string, bytes: Buffer])[]>}
 */
async function modulesIn(root) {
  const lib = ['usr/lib/modules', 'lib/modules'].map((name) => join(root, name)).find((each) => existsSync(each));
  const paths = lib === undefined ? [] : readdirSync(lib, { recursive: true, encoding: 'utf8' });
  const found = MODULES.flatMap((name) => {
    const path = paths.find((each) => new RegExp(`/${name}\\.ko(\\.xz)?$`).test(each));
    return path === undefined ? [] : [/** @type {const} */ ([name, join(lib ?? '', path)])];
  });
  for (const [, path] of found.filter(([, each]) => each.endsWith('.xz'))) {
    await mustRun('xz', ['-d', path], { what: 'uncompressing a module', timeoutMs: UNPACK_LIMIT_MS, quiet: true });
  }
  if (!found.some(([name]) => name === 'virtio_balloon')) throw new StepError('the kernel has no balloon driver');
  return found.map(([name, path]) => [name, readFileSync(path.replace(/\.xz$/, ''))]);
}

let inode = 0;

/**
 * One file of an initramfs: a cpio archive in the format `newc`, as Linux documents it (driver-api/early-userspace).
 * @param {string} name
 * @param {number} mode
 * @param {Uint8Array} [bytes]
 */
function entry(name, mode, bytes = new Uint8Array()) {
  const numbers = [++inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}${name}\0`;
  return Buffer.concat([padded(Buffer.from(header, 'latin1')), padded(bytes)]);
}

/**
 * Filled up to a multiple of four bytes.
 * @param {Uint8Array} bytes
 */
function padded(bytes) {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
