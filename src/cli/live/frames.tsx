import { render, Text, useInput, useStdin, useWindowSize } from 'ink';
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
  /** Whether the terminal shows afterwards what it showed before; else the last frame stays. */
  readonly alternateScreen: boolean;
}

/**
 * Draws one frame after the other in place until there are no more, the signal fires, or `q` or Ctrl-C is pressed, and
 * leaves the terminal as it was. Raises what the frames raise, unless the signal was the reason.
 */
export async function showFrames(frames: AsyncIterable<Frame>, options: FramesOptions): Promise<void> {
  const app = render(<Screen frame={() => []} quit={options.quit} />, {
    exitOnCtrlC: false,
    patchConsole: false,
    interactive: true,
    alternateScreen: options.alternateScreen,
  });
  try {
    for await (const frame of frames) app.rerender(<Screen frame={frame} quit={options.quit} />);
  } catch (error) {
    if (!options.signal.aborted) throw error;
  } finally {
    app.unmount();
    await app.waitUntilExit();
  }
}

/** Draws a frame, and listens to the keyboard where there is one. */
function Screen({ frame, quit }: { readonly frame: Frame; readonly quit: () => void }): JSX.Element {
  const { columns, rows } = useWindowSize();
  const { isRawModeSupported } = useStdin();
  useInput(
    (input, key) => {
      if (input === 'q' || (key.ctrl && input === 'c')) quit();
    },
    { isActive: isRawModeSupported },
  );
  // A frame as tall as the terminal would scroll it: one row stays free.
  return <Text wrap="truncate">{frame({ columns, rows: Math.max(1, rows - 1) }).join('\n')}</Text>;
}
