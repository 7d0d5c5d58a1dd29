// @ts-check
// `npm run build`, and what npm runs when the package is installed from git.
import { build } from './steps/build.js';
import { endWith } from './steps/main.js';

await endWith(async () => {
  await build();
  return 0;
});
