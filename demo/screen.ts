// How the story reaches its reader: as text of at most 80 columns, or as one JSON object a step.
import { styleText } from "node:util";

/** The widest line, in columns. */
export const COLUMNS_MAX = 80;
const INDENT = "   ";
const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const SPINNER_MS = 100;

/** What a step is about. */
export interface Heading {
  /** One word, for programs. */
  readonly name: string;
  readonly title: string;
  /** Why it matters, in a sentence or two. */
  readonly why: string;
}

/** What a step that came out as it should has to show. */
export interface Told {
  /** What is seen, line by line. */
  readonly lines: readonly string[];
  /** What it means, in one line. */
  readonly result: string;
  /** The same for programs. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Where the story is told. */
export interface Screen {
  /** A step begins. */
  begin(heading: Heading): void;
  /** What the step is waiting for now. */
  waiting(what: string): void;
  /** The step that began last came out as it should. */
  end(told: Told): void;
  /** The step that began last did not; the error itself is reported by the command. */
  failed(reason: string): void;
  /** Text beside the steps. */
  say(lines: readonly string[]): void;
}

/** Breaks a text at its spaces into lines of at most `columns`. */
export const wrap = (text: string, columns: number): string[] => {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
};

/** Text for people. Colours and progress appear on a terminal alone; NO_COLOR is respected. */
export class TextScreen implements Screen {
  readonly #out = process.stdout;
  #number = 0;
  #spinner: NodeJS.Timeout | undefined;

  begin({ title, why }: Heading): void {
    this.#number += 1;
    this.#print("", this.#style("bold", `${String(this.#number)}  ${title}`));
    for (const line of wrap(why, COLUMNS_MAX - INDENT.length))
      this.#print(this.#style("dim", `${INDENT}${line}`));
    this.#print("");
  }

  waiting(what: string): void {
    this.#clear();
    if (!this.#out.isTTY) return;
    let frame = 0;
    const draw = (): void => {
      this.#out.write(`\r${INDENT}${SPINNER[frame % SPINNER.length] ?? ""} ${what} …\u001b[K`);
      frame += 1;
    };
    draw();
    this.#spinner = setInterval(draw, SPINNER_MS).unref();
  }

  end({ lines, result }: Told): void {
    this.#clear();
    this.#print(...lines.map((line) => (line === "" ? "" : `${INDENT}  ${line}`)));
    if (lines.length > 0) this.#print("");
    const [first = "", ...rest] = wrap(result, COLUMNS_MAX - INDENT.length - 2);
    this.#print(`${INDENT}${this.#style("green", "✓")} ${first}`);
    this.#print(...rest.map((line) => `${INDENT}  ${line}`));
  }

  failed(): void {
    this.#clear();
    this.#print(`${INDENT}${this.#style("red", "✗")} this did not come out as it should`);
  }

  say(lines: readonly string[]): void {
    this.#clear();
    this.#print(...lines);
  }

  #clear(): void {
    if (this.#spinner === undefined) return;
    clearInterval(this.#spinner);
    this.#spinner = undefined;
    this.#out.write("\r\u001b[K");
  }

  #style(style: "bold" | "dim" | "green" | "red", text: string): string {
    return styleText(style, text, { stream: this.#out });
  }

  #print(...lines: readonly string[]): void {
    this.#out.write(lines.map((line) => `${line}\n`).join(""));
  }
}

/** One JSON object a step on standard output, for programs; text beside the steps goes to standard error. */
export class JsonScreen implements Screen {
  #step = "";

  begin({ name }: Heading): void {
    this.#step = name;
  }

  waiting(): void {
    // Programs wait for the object.
  }

  end({ detail }: Told): void {
    this.#write(true, detail);
  }

  failed(reason: string): void {
    this.#write(false, { error: reason });
  }

  say(lines: readonly string[]): void {
    process.stderr.write(lines.map((line) => `${line}\n`).join(""));
  }

  #write(ok: boolean, detail: Readonly<Record<string, unknown>>): void {
    process.stdout.write(`${JSON.stringify({ step: this.#step, ok, detail })}\n`);
  }
}
