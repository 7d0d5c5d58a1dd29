/** Path of a file that comes with the package. This file lies two folders deep, as source and in the built program. */
export function packageFile(path: string): string {
  return decodeURIComponent(new URL(`../../${path}`, import.meta.url).pathname);
}

/** Text of a file that comes with the package. Read without the whole of `node:fs` as a module, which every start would pay for. */
export function packageText(path: string): string {
  return process.getBuiltinModule('node:fs').readFileSync(packageFile(path), 'utf8');
}

/** The version of the package. */
export function packageVersion(): string {
  const { version } = JSON.parse(packageText('package.json')) as { version: string };
  return version;
}
