/** Set by a program that starts the demo with a channel for messages and ends together with it. */
const PARENT_VARIABLE = 'VIRTSTAT_PARENT_IPC';

/** A signal that fires when the program that started this one has gone, where it left a channel to notice that by. */
export function whenParentGone(): AbortSignal {
  const gone = new AbortController();
  if (process.env[PARENT_VARIABLE] === '1' && process.channel) {
    process.once('disconnect', () => gone.abort());
    // Nothing is ever said on the channel, so it is no reason to stay.
    process.channel.unref();
    if (!process.connected) gone.abort();
  }
  return gone.signal;
}
