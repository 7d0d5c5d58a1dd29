/** Path of a file that comes with the package. This file lies two folders deep, as source and in the built program. */
export function packageFile(path: string): string {
  return decodeURIComponent(new URL(`../../${path}`, import.meta.url).pathname);
}

/** The version of the package. Read without the whole of `node:fs` as a module, which every start would pay for. */
export function packageVersion(): string {
  const text = process.getBuiltinModule('node:fs').readFileSync(packageFile('package.json'), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return version;
}
