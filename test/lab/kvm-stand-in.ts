import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LAB } from './folder.js';

const SOURCE = join(import.meta.dirname, 'kvm-stand-in.c');
const CAPTURES = join(import.meta.dirname, '../../captures/kvm');

/** Why a VM cannot have a stand-in for KVM, or undefined where it can. */
export function whyNoStandIn(): string | undefined {
  return existsSync('/usr/bin/gcc')
    ? undefined
    : '/dev/kvm cannot be opened, and there is no gcc to make a stand-in with';
}

/**
 * What starts a QEMU on the stand-in for KVM: words before its command line, and more arguments. The statistics are those
 * of `captures/kvm`. Everything lies in the lab folder, which a chroot sees too, and stays there.
 */
export function standIn(): { readonly launcher: readonly string[]; readonly args: readonly string[] } {
  const folder = join(LAB, 'kvm-stand-in');
  const [vm, vcpu] = ['lab-vm.t1.bin', 'lab-vcpu0.t1.bin'].map((name) => join(folder, name)) as [string, string];
  mkdirSync(folder, { recursive: true });
  for (const path of [vm, vcpu]) if (!existsSync(path)) copyFileSync(join(CAPTURES, basename(path)), path);
  return {
    launcher: ['env', `LD_PRELOAD=${compiled(folder)}`, `KVM_STAND_IN_VM=${vm}`, `KVM_STAND_IN_VCPU=${vcpu}`],
    // It knows no CPU feature.
    args: ['-cpu', '486'],
  };
}

/** The library, made once from each version of its source. */
function compiled(folder: string): string {
  const hash = createHash('sha256').update(readFileSync(SOURCE)).digest('hex').slice(0, 8);
  const library = join(folder, `${hash}.so`);
  if (existsSync(library)) return library;
  const unfinished = `${library}.${process.pid}`;
  const flags = ['-O2', '-Wall', '-Wno-nonnull-compare', '-shared', '-fPIC'];
  execFileSync('gcc', [...flags, '-o', unfinished, SOURCE, '-ldl'], { stdio: ['ignore', 'ignore', 'inherit'] });
  renameSync(unfinished, library);
  return library;
}
