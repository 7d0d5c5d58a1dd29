import { readFileSync } from 'node:fs';
import type { Scale } from '../model/describe.ts';
import { PROC_ROOT } from './processes.ts';

/** Key of the entry of the auxiliary vector that tells the steps (getauxval(3)), the one that sysconf(_SC_CLK_TCK) gives. */
const AT_CLKTCK = 17n;

/** What the kernel has on every machine that virtstat runs on. */
const USUAL_HZ = 100;

let perSecond: number | undefined;

/** The steps of the times in /proc/PID/stat, per second: 100, or 1024 on some architectures. */
export function clockTicksPerSecond(): number {
  perSecond ??= readTicks() ?? USUAL_HZ;
  return perSecond;
}

/** Undefined where the process may not look at itself. */
function readTicks(): number | undefined {
  try {
    const words = new BigUint64Array(new Uint8Array(readFileSync(`${PROC_ROOT}/self/auxv`)).buffer);
    const at = words.findIndex((word, index) => index % 2 === 0 && word === AT_CLKTCK);
    return at < 0 ? undefined : Number(words[at + 1]);
  } catch {
    return undefined;
  }
}

/** The scale of times in such steps; undefined where they are no power of ten or two, which no scale can say. */
export function scaleOfTicks(perSecond: number): Scale | undefined {
  const [ten, two] = [Math.log10(perSecond), Math.log2(perSecond)];
  if (Number.isInteger(ten)) return { unit: 'seconds', base: 10, exponent: 0 - ten };
  if (Number.isInteger(two)) return { unit: 'seconds', base: 2, exponent: 0 - two };
  return undefined;
}
