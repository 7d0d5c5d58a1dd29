import { Buffer } from 'node:buffer';
import { VirtstatError } from '../../model/errors.ts';
import { excerpt } from '../json/json.ts';
import { MAX_SAID } from './error.ts';
import { AUTH_SASL_INIT, AUTH_SASL_START, AUTH_SASL_STEP, type SaslAnswer } from './procedures.ts';
import type { SaslCredentials, SaslMechanism } from './sasl-mechanism.ts';
import { ScramSha256 } from './scram.ts';
import type { LibvirtSession, RemoteCallOptions } from './session.ts';

/** Most challenges of an exchange. */
const MAX_STEPS = 8;

/** The mechanisms, the better ones first. */
const MECHANISMS: Readonly<Record<string, (credentials: SaslCredentials) => SaslMechanism>> = {
  'SCRAM-SHA-256': (credentials) => new ScramSha256(credentials),
  PLAIN: plain,
};

/**
 * Authenticates by SASL, with SCRAM-SHA-256 or PLAIN. Neither protects what follows, so the channel must: libvirt wants that of
 * plain TCP, and takes unix sockets and TLS as they are.
 * @throws LIBVIRT_AUTH_FAILED, LIBVIRT_CALL_FAILED; what {@link LibvirtSession.call} raises
 */
export async function authenticateSasl(
  session: LibvirtSession,
  credentials: SaslCredentials,
  options: RemoteCallOptions,
): Promise<void> {
  const offered = (await session.call(AUTH_SASL_INIT, undefined, options)).split(/[ ,]+/);
  const name = Object.keys(MECHANISMS).find((each) => offered.includes(each));
  const mechanism = name === undefined ? undefined : MECHANISMS[name]?.(credentials);
  if (mechanism === undefined) {
    const known = Object.keys(MECHANISMS).join(' and ');
    throw failed(`the server offers ${excerpt(offered.join(', '), MAX_SAID) || 'nothing'}; virtstat has ${known}`);
  }
  const first = { mechanism: mechanism.name, nil: false, data: mechanism.begin() };
  let answer = await session.call(AUTH_SASL_START, first, options);
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    const data = await reply(mechanism, answer);
    if (answer.complete !== 0) {
      if (mechanism.isComplete) return;
      throw failed('the server lets us in without a proof of who it is');
    }
    answer = await session.call(AUTH_SASL_STEP, { nil: false, data }, options);
  }
  throw failed(`the server asks more than ${MAX_STEPS} times`);
}

async function reply(mechanism: SaslMechanism, { nil, data }: SaslAnswer): Promise<Uint8Array> {
  return nil || data.length === 0 ? Buffer.alloc(0) : mechanism.step(data);
}

/** PLAIN: the password as it is, behind the user's name. Spec: RFC 4616. */
function plain({ username, password }: SaslCredentials): SaslMechanism {
  return {
    name: 'PLAIN',
    isComplete: true,
    begin: () => Buffer.from(`\0${username}\0${password}`),
    step: async () => {
      throw failed('the server asks for more than PLAIN has');
    },
  };
}

function failed(why: string): VirtstatError {
  return new VirtstatError('LIBVIRT_AUTH_FAILED', `authentication with SASL failed: ${why}`);
}
