/** Path of a file that comes with the package. This file lies two folders deep, as source and in the built program. */
export function packageFile(path: string): string {
  return decodeURIComponent(new URL(`../../${path}`, import.meta.url).pathname);
}
