import { createHash } from 'node:crypto';
import type { HttpPeer } from '../../host/http-listener.ts';
import type { Caller, FaceContext, WebSecurity } from '../face.ts';
import type { Passwords } from './passwords.ts';

/** No group has this number: of a client over TCP only the user is known. */
const NO_GROUP = 0xffff_ffff;

/** Headers of proxies: what comes with one of them is not the request of the process that sent it. */
const FORWARDED = ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip'];

/** What finding out who calls takes. */
export interface CallerParts {
  readonly context: Pick<FaceContext, 'isToken'>;
  readonly security: WebSecurity;
  readonly passwords: Passwords;
  readonly signal: AbortSignal;
}

/** Who calls; `refused`: what was shown is wrong, or nothing was shown where something must be. */
export type CallerOutcome = { readonly caller: Caller } | { readonly refused: string };

/**
 * Who sends a request, by the first of these that there is:
 *
 * | shown | caller |
 * | --- | --- |
 * | `Authorization: Bearer TOKEN` | the token, where a rule names it |
 * | `Authorization: Basic …` | the user of the web configuration file |
 * | a client certificate | its common name and fingerprint |
 * | nothing, from this host over loopback | the user of the client's process, unless a proxy or a web page sends for somebody else |
 * | nothing | anybody; nobody where the web configuration file has users |
 *
 * @throws QUEUE_FULL where too many passwords are being checked
 */
export async function callerOf(request: Request, peer: HttpPeer, parts: CallerParts): Promise<CallerOutcome> {
  const { context, security, passwords, signal } = parts;
  const [, scheme = '', credentials = ''] =
    /^\s*([a-z]+)\s+(.*?)\s*$/i.exec(request.headers.get('authorization') ?? '') ?? [];
  if (scheme.toLowerCase() === 'bearer') {
    const sha256 = createHash('sha256').update(credentials).digest('hex');
    return context.isToken(sha256)
      ? { caller: { kind: 'token', sha256 } }
      : { refused: 'a token that no access rule names' };
  }
  // Where there are no users no password is right: checking one would be work for nothing, for whoever asks for it.
  if (scheme.toLowerCase() === 'basic' && security.passwords.size > 0) {
    const { user, password } = userAndPassword(credentials);
    const isRight = await passwords.isRight(user, password, security.passwords);
    return isRight ? { caller: { kind: 'password', user } } : { refused: 'a wrong user or password' };
  }
  if (request.headers.has('authorization')) return { refused: 'a way to authenticate that is not offered' };
  if (peer.certificate !== undefined) return { caller: { kind: 'certificate', ...peer.certificate } };
  if (security.passwords.size > 0) return { refused: 'no user and password' };
  const uid = isSentByItself(request) ? await peer.uid(signal) : undefined;
  if (uid !== undefined) return { caller: { kind: 'user', uid, gid: NO_GROUP, groups: [], pid: 0 } };
  return { caller: { kind: 'anonymous', address: peer.address } };
}

/** RFC 7617: base64 of `user:password`; the first colon counts. */
function userAndPassword(credentials: string): { readonly user: string; readonly password: string } {
  const text = Buffer.from(credentials, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? { user: text, password: '' } : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/**
 * Whether the process that sends speaks for itself. A browser asks for an address by a name that a stranger's page chose (DNS
 * rebinding): names of this host are its addresses and `localhost`.
 */
function isSentByItself(request: Request): boolean {
  if (FORWARDED.some((name) => request.headers.has(name))) return false;
  const host = request.headers.get('host') ?? '';
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host);
}
