import { type Key, render, Text, useInput, useStdin, useWindowSize } from 'ink';
import type { JSX } from 'react';

/** The room that a frame has. */
export interface FrameSize {
  readonly columns: number;
  readonly rows: number;
}

/** What a screen shows now: lines for the room that there is, at most `rows` of them. */
export type Frame = (size: FrameSize) => readonly string[];

/** How frames are shown. */
export interface FramesOptions {
  /** Ends the show. */
  readonly signal: AbortSignal;
  /** Called when the person at the keyboard has had enough: fires `signal`. */
  readonly quit: () => void;
  /**
   * Called with each key, a character or the name of one (`up`, `enter`, `ctrl-c`, …), and the room that a frame has. Absent: `q`
   * and Ctrl-C quit, and no other key does anything.
   */
  readonly press?: (key: string, size: FrameSize) => void;
  /** Whether the terminal shows afterwards what it showed before; else the last frame stays. */
  readonly alternateScreen: boolean;
}

/** Keys that have a name instead of a character, by what the library calls them. */
const NAMED_KEYS = {
  upArrow: 'up',
  downArrow: 'down',
  leftArrow: 'left',
  rightArrow: 'right',
  pageUp: 'pageup',
  pageDown: 'pagedown',
  home: 'home',
  end: 'end',
  return: 'enter',
  escape: 'escape',
  backspace: 'backspace',
  // What most terminals send for the key of that name is the other one to the library.
  delete: 'backspace',
  tab: 'tab',
} as const satisfies Partial<Record<keyof Key, string>>;

/**
 * Draws one frame after the other in place until there are no more, the signal fires, or `q` or Ctrl-C is pressed, and
 * leaves the terminal as it was. Raises what the frames raise, unless the signal was the reason.
 */
export async function showFrames(frames: AsyncIterable<Frame>, options: FramesOptions): Promise<void> {
  const { quit, press = (key) => (key === 'q' || key === 'ctrl-c') && quit() } = options;
  let failure: { readonly error: unknown } | undefined;
  // The library would draw an error over the screen and go on.
  const fail = (error: unknown): void => {
    failure ??= { error };
    quit();
  };
  const screen = (frame: Frame): JSX.Element => <Screen frame={frame} press={press} fail={fail} />;
  const app = render(
    screen(() => []),
    {
      exitOnCtrlC: false,
      patchConsole: false,
      interactive: true,
      alternateScreen: options.alternateScreen,
    },
  );
  try {
    for await (const frame of frames) app.rerender(screen(frame));
  } catch (error) {
    if (!options.signal.aborted) throw error;
  } finally {
    app.unmount();
    await app.waitUntilExit();
  }
  if (failure !== undefined) throw failure.error;
}

interface ScreenProps {
  readonly frame: Frame;
  readonly press: (key: string, size: FrameSize) => void;
  readonly fail: (error: unknown) => void;
}

/** Draws a frame, and listens to the keyboard where there is one. */
function Screen({ frame, press, fail }: ScreenProps): JSX.Element {
  const { columns, rows } = useWindowSize();
  const { isRawModeSupported } = useStdin();
  // A frame as tall as the terminal would scroll it: one row stays free.
  const size = { columns, rows: Math.max(1, rows - 1) };
  const guarded = <T,>(work: () => T, otherwise: T): T => {
    try {
      return work();
    } catch (error) {
      fail(error);
      return otherwise;
    }
  };
  const pressAll = (keys: readonly string[]): void => {
    for (const key of keys) press(key, size);
  };
  useInput((input, key) => guarded(() => pressAll(keysOf(input, key)), undefined), { isActive: isRawModeSupported });
  return <Text wrap="truncate">{guarded(() => frame(size), []).join('\n')}</Text>;
}

/** The keys that were pressed: several characters come at once where somebody types fast, or pastes. */
function keysOf(input: string, key: Key): readonly string[] {
  for (const [name, word] of Object.entries(NAMED_KEYS)) if (key[name as keyof typeof NAMED_KEYS]) return [word];
  if (key.ctrl) return [`ctrl-${input}`];
  return key.meta ? [] : [...input].map((char) => (char === '\r' || char === '\n' ? 'enter' : char));
}
