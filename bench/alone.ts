import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BenchResult, BenchSkip, Run } from './report.ts';

/** Behind this word on standard output is what a measurement came to. */
const RESULT = 'RESULT ';

/**
 * Runs a measurement in a pid namespace of its own: there it finds no VMs but those that it starts, and nothing outlives it. The
 * module exports `measure`, which is like `run`.
 */
export async function runAlone(module: URL): Promise<readonly (BenchResult | BenchSkip)[]> {
  const self = fileURLToPath(import.meta.url);
  const namespace = ['--pdeathsig', 'KILL', '--', 'unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--'];
  // The first process of a namespace inherits orphans, and libvirt waits for its own until somebody has taken note of their end.
  const reaper = ['sh', '-c', '"$@"; exit $?', 'sh'];
  const node = [process.execPath, ...process.execArgv, self, module.href];
  const child = spawn('setpriv', [...namespace, ...reaper, ...node], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  const [status] = await once(child, 'close');
  const line = text.split('\n').find((each) => each.startsWith(RESULT));
  if (line === undefined) throw new Error(`a measurement in a pid namespace of its own ended with status ${status}`);
  return JSON.parse(line.slice(RESULT.length)) as readonly (BenchResult | BenchSkip)[];
}

// Not awaited: the module imports this one.
if (import.meta.main) {
  void import(process.argv[2] as string).then(async ({ measure }: { readonly measure: Run }) => {
    console.log(RESULT + JSON.stringify(await measure()));
  });
}
