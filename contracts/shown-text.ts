// Text that somebody else wrote, made fit for a message or a terminal.

/** How much of somebody else's text a message shows, in characters. */
export const SHOWN_MAX = 100;

// Controls, format characters (among them those that turn the writing direction), surrogates, private
// use, unassigned, and line and paragraph separators.
const UNFIT = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * A text with every character that could change how what stands around it looks replaced by U+FFFD, cut
 * after `max` characters with "…" in the place of the rest.
 */
export const shown = (text: string, max = SHOWN_MAX): string => {
  const fit = Array.from(text.slice(0, 2 * max + 2)).map((each) => each.replace(UNFIT, "\ufffd"));
  return fit.length > max ? `${fit.slice(0, max).join("")}…` : fit.join("");
};

/** The same in quotes, for messages. */
export const quoted = (text: string): string => `"${shown(text)}"`;
