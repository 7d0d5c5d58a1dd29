// @ts-check
// `npm run proto`: makes the code of protobuf messages, src/protocol/*/*_pb.ts, from proto/. With a folder as its argument it puts that
// there instead, to be compared.
import { join, resolve } from 'node:path';
import { endWith } from './steps/main.js';
import { installNpmPackages } from './steps/npm.js';
import { nodeBinary, ROOT } from './steps/project.js';
import { mustRun } from './steps/run.js';

const LIMIT_MS = 60_000;

await endWith(async () => {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) await installNpmPackages();
  const bin = join(ROOT, 'node_modules/.bin');
  const template = {
    version: 'v2',
    plugins: [
      {
        local: join(bin, 'protoc-gen-es'),
        out: resolve(ROOT, folder ?? 'src/protocol'),
        opt: ['target=ts', 'import_extension=ts', 'erasable_syntax=true'],
      },
    ],
  };
  await mustRun(join(bin, 'buf'), ['generate', '--template', JSON.stringify(template)], {
    what: 'buf',
    timeoutMs: LIMIT_MS,
    cwd: join(ROOT, 'proto'),
    env: { PATH: `${bin}:${join(nodeBinary(), '..')}:${process.env['PATH']}` },
  });
  return 0;
});
