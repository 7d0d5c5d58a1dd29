import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('corpus', import.meta.url));

/** An input that is kept: a good example, or one that found something once. */
export interface CorpusEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The corpus of a target, in the order of the names. */
export function corpusOf(target: string): readonly CorpusEntry[] {
  const folder = join(FOLDER, target);
  return readdirSync(folder)
    .sort()
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }));
}
