/**
 * Which objects and properties of QEMU's object model a reader may look at: devices and what hangs on them, and of them only
 * what is no secret and no more than a statistic. Partial paths, which QEMU would complete, do not exist.
 */
const PATHS: readonly RegExp[] = [
  // QEMU answers that it could be anything, and nothing else.
  /^$/,
  /^\/$/,
  /^\/machine$/,
  /^\/machine\/(?:peripheral|peripheral-anon|unattached)(?:\/[\w.:[\]-]+(?:\/virtio-backend)?)?$/,
  /^\/objects(?:\/[\w.:[\]-]+)?$/,
];

const PROPERTIES: ReadonlySet<string> = new Set([
  'type',
  'realized',
  'hotplugged',
  'guest-stats',
  'guest-stats-polling-interval',
]);

/** Longest path that is passed on, in characters. */
const MAX_PATH_LENGTH = 256;

/** True for an object that may be listed. */
export function isReadableObject(path: string): boolean {
  return path.length <= MAX_PATH_LENGTH && PATHS.some((pattern) => pattern.test(path));
}

/** True for a property that may be read of such an object. */
export function isReadableProperty(property: string): boolean {
  return PROPERTIES.has(property);
}
