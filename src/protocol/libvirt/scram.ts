import { Buffer } from 'node:buffer';
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { VirtstatError } from '../../model/errors.ts';
import type { SaslCredentials, SaslMechanism } from './sasl-mechanism.ts';

const DIGEST = 'sha256';
const DIGEST_BYTES = 32;

/** Least and most rounds that a server may ask for: RFC 7677 says 4096 at least; more than the other would only cost time. */
const MIN_ITERATIONS = 4096;
const MAX_ITERATIONS = 1_000_000;

/** Random part of the client's nonce, in bytes. */
const NONCE_BYTES = 24;

/** No channel binding: base64 of `n,,`. */
const GS2_HEADER = 'n,,';
const CHANNEL_BINDING = 'biws';

/**
 * SCRAM-SHA-256, in which neither side shows the password and the server proves that it knows it: `n,,n=USER,r=NONCE`, then
 * `r=NONCE…,s=SALT,i=ROUNDS` from the server, `c=biws,r=NONCE…,p=PROOF`, and `v=SIGNATURE` from the server.
 *
 * Spec: RFC 5802 and RFC 7677, without channel binding. Of RFC 4013 (SASLprep) what it does to common passwords is done:
 * spaces of other kinds become plain ones, and the rest is brought to form KC.
 */
export class ScramSha256 implements SaslMechanism {
  readonly name = 'SCRAM-SHA-256';
  readonly #credentials: SaslCredentials;
  readonly #nonce: string;
  #clientFirst = '';
  #serverSignature: Buffer | undefined;
  #isComplete = false;

  /** `nonce` is for tests; random if absent. */
  constructor(credentials: SaslCredentials, nonce: string = randomBytes(NONCE_BYTES).toString('base64')) {
    this.#credentials = credentials;
    this.#nonce = nonce;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  begin(): Uint8Array {
    const username = prepared(this.#credentials.username).replaceAll('=', '=3D').replaceAll(',', '=2C');
    this.#clientFirst = `n=${username},r=${this.#nonce}`;
    return Buffer.from(GS2_HEADER + this.#clientFirst);
  }

  /** @throws LIBVIRT_AUTH_FAILED for a server that does not follow the exchange, or does not know the password either */
  async step(challenge: Uint8Array): Promise<Uint8Array> {
    const text = Buffer.from(challenge).toString();
    if (this.#serverSignature === undefined) return Buffer.from(await this.#prove(text));
    this.#verify(text, this.#serverSignature);
    return Buffer.alloc(0);
  }

  async #prove(serverFirst: string): Promise<string> {
    const [, nonce, salt, rounds] =
      /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+=*),i=(\d{1,9})(?:,|$)/.exec(serverFirst) ?? [];
    if (nonce === undefined || salt === undefined) throw failed('the server’s challenge is not one of SCRAM');
    if (!nonce.startsWith(this.#nonce) || nonce === this.#nonce) throw failed('the server did not extend our nonce');
    const iterations = Number(rounds);
    if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
      throw failed(`the server asks for ${iterations} rounds, not ${MIN_ITERATIONS} to ${MAX_ITERATIONS}`);
    }
    const password = prepared(this.#credentials.password);
    const salted = await promisify(pbkdf2)(password, Buffer.from(salt, 'base64'), iterations, DIGEST_BYTES, DIGEST);
    const clientKey = hmac(salted, 'Client Key');
    const withoutProof = `c=${CHANNEL_BINDING},r=${nonce}`;
    const exchange = `${this.#clientFirst},${serverFirst},${withoutProof}`;
    const signature = hmac(createHash(DIGEST).update(clientKey).digest(), exchange);
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), exchange);
    const proof = clientKey.map((byte, index) => byte ^ (signature[index] as number));
    return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`;
  }

  #verify(serverFinal: string, expected: Buffer): void {
    const [, signature] = /^v=([A-Za-z0-9+/]+=*)(?:,|$)/.exec(serverFinal) ?? [];
    if (signature === undefined) throw failed('the server refused the password');
    const given = Buffer.from(signature, 'base64');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw failed('the server does not know the password itself: it is not the one that it says it is');
    }
    this.#isComplete = true;
  }
}

function prepared(text: string): string {
  return text.replaceAll(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, ' ').normalize('NFKC');
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac(DIGEST, key).update(text).digest();
}

function failed(why: string): VirtstatError {
  return new VirtstatError('LIBVIRT_AUTH_FAILED', `authentication with SCRAM-SHA-256 failed: ${why}`);
}
