import { stat } from 'node:fs/promises';

/** What tells that a file is there no more, or cannot be looked at. */
const ABSENT = 'absent';

/**
 * A text that is another one when any of these files has changed, or was replaced, or what a link among them leads to. Two texts are
 * alike where nothing has; what they say means nothing else.
 */
export async function fileMarks(paths: readonly string[]): Promise<string> {
  const marks = await Promise.all(paths.map(markOf));
  return JSON.stringify(paths.map((path, index) => [path, marks[index]]));
}

async function markOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch {
    return ABSENT;
  }
}
