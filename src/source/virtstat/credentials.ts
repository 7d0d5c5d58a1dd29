import { readBounded } from '../../host/files.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions } from '../../model/provider.ts';
import type { VirtstatAddress } from './uri.ts';

/** The longest token, in bytes. */
export const MAX_TOKEN_BYTES = 4096;

/** How to say who we are to a virtstatd on another host. */
export interface Credentials {
  /** The token to show now; undefined where there is none. Asked for each connection: the file may have changed. */
  token(options: CallOptions): Promise<string | undefined>;
  /** What to do where the peer does not know us, as the end of a sentence. */
  readonly advice: string;
}

/**
 * A token comes from its file, else from `$VIRTSTAT_TOKEN`; a certificate alone says who we are too, and the token of the
 * environment is then nobody's business. The kernel says it on a unix socket.
 */
export function credentialsOf({ address, tokenFile }: VirtstatAddress): Credentials | undefined {
  if (address.kind !== 'tls') return undefined;
  if (tokenFile !== undefined) {
    return {
      token: (options) => readToken(tokenFile, options),
      advice: `have an access rule there name the SHA-256 of the token in ${tokenFile}`,
    };
  }
  if (address.certFile !== undefined) {
    return {
      token: async () => undefined,
      advice: `have the certificate in ${address.certFile} signed by the authority in tls.client-ca-file there`,
    };
  }
  return {
    token: async () => process.env['VIRTSTAT_TOKEN'] || undefined,
    advice: process.env['VIRTSTAT_TOKEN']
      ? 'have an access rule there name the SHA-256 of the token in $VIRTSTAT_TOKEN'
      : 'name a token (?token-file=FILE, or $VIRTSTAT_TOKEN) or a certificate (?cert=FILE&key=FILE)',
  };
}

/** @throws PATH_NOT_FOUND, ACCESS_DENIED; AUTHENTICATION_FAILED where the file holds no token */
async function readToken(file: string, { signal }: CallOptions): Promise<string> {
  const content = await readBounded(file, { maxSizeBytes: MAX_TOKEN_BYTES, signal });
  const token = content && new TextDecoder().decode(content.bytes).trim();
  if (token && !/\p{Cc}/u.test(token)) return token;
  throw new VirtstatError(
    'AUTHENTICATION_FAILED',
    `${file} holds no token; write one line of at most ${MAX_TOKEN_BYTES} bytes into it`,
  );
}
