import { readBounded } from '../host/files.ts';
import { VirtstatError } from '../model/errors.ts';

/** The largest file with a secret, in bytes. */
const MAX_SECRET_BYTES = 64 << 10;

/** What shows a server who we are. Secrets stand in files of their own, which are read at every request: they may change. */
export interface Credentials {
  /** As they are. */
  readonly headers: Readonly<Record<string, string>>;
  /** Files with the values of headers. */
  readonly headerFiles: Readonly<Record<string, string>>;
  /** `Authorization: Bearer` and what is in it. */
  readonly bearerTokenFile?: string;
  /** `Authorization: Basic` with this name. */
  readonly username?: string;
  readonly passwordFile?: string;
}

/**
 * The headers that all that makes.
 * @throws PATH_NOT_FOUND, ACCESS_DENIED, CONFIG_INVALID where a file has no secret that a header could hold
 */
export async function credentialHeaders(
  { headers, headerFiles, bearerTokenFile, username, passwordFile }: Credentials,
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const made: Record<string, string> = { ...headers };
  for (const [name, file] of Object.entries(headerFiles)) made[name] = await secretIn(file, signal);
  if (bearerTokenFile !== undefined) made['authorization'] = `Bearer ${await secretIn(bearerTokenFile, signal)}`;
  if (username !== undefined) {
    const password = passwordFile === undefined ? '' : await secretIn(passwordFile, signal);
    made['authorization'] = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }
  return made;
}

/** Without the line's end. The secret itself is in no message. */
async function secretIn(path: string, signal: AbortSignal): Promise<string> {
  const content = await readBounded(path, { maxSizeBytes: MAX_SECRET_BYTES, signal });
  const text = content === undefined ? '' : Buffer.from(content.bytes).toString('utf8').trim();
  if (/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text)) return text;
  throw new VirtstatError('CONFIG_INVALID', `${path} has no secret: it must be one line of printable ASCII`);
}
