/** Who wants to be let in. */
export interface SaslCredentials {
  readonly username: string;
  readonly password: string;
}

/** The client's side of one mechanism of SASL. */
export interface SaslMechanism {
  readonly name: string;
  /** Whether it has seen all that it must see. */
  readonly isComplete: boolean;
  /** What to send first. */
  begin(): Uint8Array;
  /** What to send to a challenge of the server. @throws LIBVIRT_AUTH_FAILED */
  step(challenge: Uint8Array): Promise<Uint8Array>;
}
