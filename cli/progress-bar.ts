// A progress bar for people: on standard error, and only when that is a terminal.

const WIDTH = 40;
const EVERY_MS = 100;

/** Shows how far something is. */
export interface ProgressBar {
  /** Called as often as wanted; draws ten times a second at most. */
  step(done: number, of: number): void;
  /** Takes the bar away. */
  end(): void;
}

/** Where a bar is drawn. */
export interface BarScreen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** One line of a bar: 12345 of 20000 as `[=====>    ]  61 %  12,345 of 20,000`. */
export const barLine = (label: string, done: number, of: number): string => {
  const part = of === 0 ? 1 : Math.min(1, done / of);
  const full = Math.floor(part * WIDTH);
  const bar = "=".repeat(full).padEnd(WIDTH);
  const percent = String(Math.floor(part * 100)).padStart(3);
  const [shown, all] = [done, of].map((count) => count.toLocaleString("en"));
  return `${label} [${bar}] ${percent} %  ${String(shown)} of ${String(all)}`;
};

/** A bar with a label; on anything but a terminal it shows nothing. */
export const progressBar = (
  label: string,
  screen: BarScreen = process.stderr,
  now: () => number = () => performance.now(),
): ProgressBar => {
  if (screen.isTTY !== true) return { step: () => undefined, end: () => undefined };
  let next = 0;
  let drawn = false;
  return {
    step(done, of) {
      // Entries come by the hundred thousand a second: most are not worth a look at the clock.
      if (done % 64 !== 0 && done !== of) return;
      const at = now();
      if (at < next && done !== of) return;
      next = at + EVERY_MS;
      drawn = true;
      screen.write(`\r${barLine(label, done, of)}`);
    },
    end() {
      if (drawn) screen.write("\r\u001b[K");
    },
  };
};
