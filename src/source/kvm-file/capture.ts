import { basename, dirname } from 'node:path';
import { type FileContent, filesAt, readBounded } from '../../host/files.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { Reading } from '../../model/sample.ts';
import { MAX_FILE_SIZE_BYTES } from '../../protocol/kvm-stats/format.ts';
import { looksLikeStatsFile } from '../../protocol/kvm-stats/header.ts';
import type { Layout } from '../../protocol/kvm-stats/layout.ts';
import type { LayoutCache } from '../../protocol/kvm-stats/layout-cache.ts';
import { dataBlockOf, decodeValues } from '../../protocol/kvm-stats/values.ts';
import { pathOf, VIA_KVM_FILE } from '../kvm/stats-file.ts';

/** How many files of one directory are looked at. */
export const MAX_CAPTURES = 4096;

/** A stats file that was copied to an ordinary file, from this machine or another. */
export interface Capture {
  readonly path: string;
  readonly folder: string;
  /** Name of the file without its folder, and without an ending that only says what it is (`.bin`, `.raw`). */
  readonly stem: string;
  /** The URI that led to it. */
  readonly uri: string;
  readonly layout: Layout;
  /** The path of its readings: `vcpu-M`, undefined for the VM. */
  readonly objectPath: string | undefined;
}

/** A file, or a place to look for files, that cannot be used, and why. */
export interface Unusable {
  /** A file's stem, or the URI. */
  readonly name: string;
  readonly path: string;
  readonly uri: string;
  readonly error: VirtstatError;
}

/** What reading captures takes. */
export interface CaptureOptions {
  readonly cache: LayoutCache;
  readonly signal: AbortSignal;
}

/**
 * The captures that one URI leads to. In a directory what does not begin as a stats file is skipped; what does, and turns
 * out to be broken, is unusable. Never rejects.
 */
export async function capturesAt(
  uri: string,
  path: string,
  options: CaptureOptions,
): Promise<readonly (Capture | Unusable)[]> {
  try {
    const { isDirectory, paths } = await filesAt(path);
    if (!isDirectory) return [captureOf(uri, path, (await readContent(path, options)).layout)];
    if (paths.length > MAX_CAPTURES) throw tooManyFiles(path, paths.length);
    const found = await readDirectory(uri, paths, options);
    if (found.length === 0) throw nothingFound(path);
    return found;
  } catch (error) {
    const failure = VirtstatError.from(error, 'STATS_FILE_UNREADABLE', `reading ${path} failed`);
    return [{ name: uri, path, uri, error: failure }];
  }
}

/**
 * The values of one capture, read anew. They are as old as the file.
 * @throws PATH_NOT_FOUND, ACCESS_DENIED, and every STATS_FILE error but STATS_FILE_NOT_KEPT
 */
export async function readCapture(path: string, options: CaptureOptions): Promise<Reading> {
  const { layout, data, modifiedNs } = await readContent(path, options);
  const objectPath = pathOf(layout);
  return {
    ...(objectPath !== undefined && { path: objectPath }),
    via: VIA_KVM_FILE,
    collectedAtNs: modifiedNs,
    // Decoded at once: what is left for later would hold on to the bytes of the whole file.
    stats: decodeValues(layout, data),
  };
}

/** A stats file, taken apart. */
interface Content {
  readonly layout: Layout;
  readonly data: Uint8Array;
  readonly modifiedNs: bigint;
}

async function readContent(path: string, { cache, signal }: CaptureOptions): Promise<Content> {
  const file = await readBounded(path, { maxSizeBytes: MAX_FILE_SIZE_BYTES, signal });
  if (file === undefined) throw tooLargeFile(path);
  return decodeContent(path, file, cache);
}

function decodeContent(path: string, { bytes, modifiedNs }: FileContent, cache: LayoutCache): Content {
  try {
    const layout = cache.decode(bytes, 'detect');
    return { layout, data: dataBlockOf(layout, bytes), modifiedNs };
  } catch (error) {
    throw VirtstatError.is(error) ? namedAfter(path, error) : error;
  }
}

/** One file after the other: a thousand open at once would exceed the usual limit of descriptors. */
async function readDirectory(
  uri: string,
  paths: readonly string[],
  options: CaptureOptions,
): Promise<readonly (Capture | Unusable)[]> {
  const found: (Capture | Unusable)[] = [];
  for (const path of paths) {
    const content = await readOrSkip(path, options);
    if (content === undefined || !looksLikeStatsFile(content.bytes)) continue;
    try {
      found.push(captureOf(uri, path, decodeContent(path, content, options.cache).layout));
    } catch (error) {
      const failure = VirtstatError.from(error, 'STATS_FILE_UNREADABLE', `reading ${path} failed`);
      found.push({ name: stemOf(path), path, uri, error: failure });
    }
  }
  return found;
}

/** Sockets, pipes and files of others lie in many directories: what is no readable file is no capture. */
async function readOrSkip(path: string, { signal }: CaptureOptions): ReturnType<typeof readBounded> {
  try {
    return await readBounded(path, { maxSizeBytes: MAX_FILE_SIZE_BYTES, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    return undefined;
  }
}

/** What is kept of a file: all captures of a directory are known at once, so not their bytes. */
function captureOf(uri: string, path: string, layout: Layout): Capture {
  return { path, folder: dirname(path), stem: stemOf(path), uri, layout, objectPath: pathOf(layout) };
}

function stemOf(path: string): string {
  return basename(path).replace(/\.(?:bin|raw|dat|stats)$/i, '');
}

/** The same error, which then says in which file. */
function namedAfter(path: string, error: VirtstatError): VirtstatError {
  return new VirtstatError(error.code, `${path}: ${error.message}`, { cause: error });
}

function tooLargeFile(path: string): VirtstatError {
  return new VirtstatError(
    'STATS_FILE_TOO_LARGE',
    `${path} is larger than the bound of ${MAX_FILE_SIZE_BYTES} bytes; check that it is a KVM stats file`,
  );
}

function nothingFound(path: string): VirtstatError {
  return new VirtstatError(
    'STATS_FILE_INVALID',
    `${path} holds no KVM stats file that may be read; capture one with a copy of the whole file`,
  );
}

function tooManyFiles(path: string, count: number): VirtstatError {
  return new VirtstatError(
    'STATS_FILE_TOO_LARGE',
    `${path} holds ${count} files, more than the bound of ${MAX_CAPTURES}; give a smaller directory`,
  );
}
