import { heading, isPassed, line, type Run } from './report.ts';

/**
 * Runs every measurement, or those whose names are given, one after the other, since two at once would measure each other:
 * `node --expose-gc bench/main.ts [NAME]...`. Exit status 1 where a limit is exceeded or a measurement failed.
 */
const MODULES: Readonly<Record<string, () => Promise<{ readonly run: Run }>>> = {
  sampler: () => import('./sampler.ts'),
  record: () => import('./record.ts'),
  'one-vm': () => import('./one-vm.ts'),
  process: () => import('./process.ts'),
  json: () => import('./json.ts'),
  'libvirt-decode': () => import('./libvirt-decode.ts'),
  'libvirt-face': () => import('./libvirt-face.ts'),
  'libvirt-client': () => import('./libvirt-client.ts'),
  startup: () => import('./startup.ts'),
  sweep: () => import('./sweep.ts'),
  'qmp-face': () => import('./qmp-face.ts'),
  readers: () => import('./readers.ts'),
  hung: () => import('./hung.ts'),
  fleet: () => import('./fleet.ts'),
  interfaces: () => import('./interfaces.ts'),
  scrape: () => import('./scrape.ts'),
  'remote-write': () => import('./remote-write.ts'),
  top: () => import('./top.ts'),
};

async function main(names: readonly string[]): Promise<boolean> {
  const unknown = names.filter((name) => !Object.hasOwn(MODULES, name));
  if (unknown.length > 0) {
    console.error(`there is no measurement ${unknown.join(', ')}; there are ${Object.keys(MODULES).join(', ')}`);
    return false;
  }
  let passed = true;
  console.log(heading());
  for (const [name, load] of Object.entries(MODULES)) {
    if (names.length > 0 && !names.includes(name)) continue;
    try {
      for (const item of await (await load()).run()) {
        console.log(line(item));
        if ('ratio' in item && !isPassed(item)) passed = false;
      }
    } catch (error) {
      console.error(`${name} failed:`, error);
      passed = false;
    }
  }
  return passed;
}

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
