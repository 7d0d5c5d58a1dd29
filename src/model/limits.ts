/** Bounds that several rooms share. Bounds of one wire format stand beside its codec. */

/** How long one domain may take to answer before its last values are served instead, in milliseconds. */
export const DEFAULT_DEADLINE_MS = 3000;

/** The longest deadline or interval that a timer of the platform can hold, in milliseconds. */
export const MAX_TIMER_MS = 0x7fff_ffff;
