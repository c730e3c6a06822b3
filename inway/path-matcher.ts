// Which template of an OpenAPI description a path is one of. Templates become a tree of segments, never regular
// expressions: what a request sends is only ever compared.

/** How many segments a template may have. */
export const TEMPLATE_SEGMENTS_MAX = 32;
/** How long a template may be, in characters. */
export const TEMPLATE_LENGTH_MAX = 1_000;

/** What a description says of its paths. */
export interface DescribedPaths {
  /** Its templates, as they stand in it. */
  readonly templates: readonly string[];
  /** The paths of its servers, without a "/" at the end; "" for the root. */
  readonly servers: readonly string[];
}

/** A segment of a template: what stands between its variables, or the whole segment when it has none. */
type Segment = readonly string[];

interface Branch {
  readonly segment: Segment;
  readonly node: Node;
}

class Node {
  template: string | undefined;
  /** The next segment, where it has no variables. */
  readonly literals = new Map<string, Node>();
  /** The next segment, where variables stand beside other characters. */
  readonly partials: Branch[] = [];
  /** The next segment, where it is one variable. */
  any: Node | undefined;
}

const isVisible = (text: string): boolean => {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code <= 0x20 || code >= 0x7f) return false;
  }
  return true;
};

/** The pieces around the variables of a segment; undefined when its braces are not in order or two variables touch. */
const segmentOf = (text: string): Segment | undefined => {
  const pieces: string[] = [];
  let at = 0;
  for (;;) {
    const open = text.indexOf("{", at);
    const piece = text.slice(at, open < 0 ? text.length : open);
    if (piece.includes("}")) return undefined;
    // Nobody could say where the one ends and the other begins.
    if (piece === "" && open >= 0 && pieces.length > 0) return undefined;
    pieces.push(piece);
    if (open < 0) return pieces;
    const close = text.indexOf("}", open);
    if (close < open + 2 || text.slice(open + 1, close).includes("{")) return undefined;
    at = close + 1;
  }
};

/** The segments of a template; undefined for one that no path could be of, or that is beyond the limits. */
const segmentsOf = (template: string): readonly Segment[] | undefined => {
  if (template.length > TEMPLATE_LENGTH_MAX || !template.startsWith("/")) return undefined;
  if (!isVisible(template) || template.includes("?") || template.includes("#")) return undefined;
  const texts = template.slice(1).split("/");
  if (texts.length > TEMPLATE_SEGMENTS_MAX) return undefined;
  const segments = texts.map(segmentOf);
  return segments.every((segment) => segment !== undefined) ? segments : undefined;
};

const sameSegment = (a: Segment, b: Segment): boolean =>
  a.length === b.length && a.every((piece, index) => piece === b[index]);

/** Whether a segment of a path is one of a template's segment; every variable stands for one character or more. */
const fits = (value: string, segment: Segment): boolean => {
  const last = segment.length - 1;
  const [first = ""] = segment;
  const end = value.length - (segment[last] ?? "").length;
  if (!value.startsWith(first) || !value.endsWith(segment[last] ?? "")) return false;
  let at = first.length;
  for (let index = 1; index < last; index++) {
    const piece = segment[index] ?? "";
    // The first place will do: a later one would leave less for what follows.
    const found = value.indexOf(piece, at + 1);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return end > at;
};

const branchOf = (node: Node, segment: Segment): Node => {
  const [piece = ""] = segment;
  if (segment.length === 1) {
    const known = node.literals.get(piece) ?? new Node();
    node.literals.set(piece, known);
    return known;
  }
  if (segment.every((text) => text === "")) return (node.any ??= new Node());
  const known = node.partials.find((branch) => sameSegment(branch.segment, segment));
  if (known !== undefined) return known.node;
  const made = new Node();
  node.partials.push({ segment, node: made });
  return made;
};

/** The template of what follows the "/" at `from`: of each segment first what is written out, then what has variables. */
const find = (node: Node, path: string, from: number): string | undefined => {
  const slash = path.indexOf("/", from + 1);
  const value = path.slice(from + 1, slash < 0 ? path.length : slash);
  const below = (next: Node | undefined): string | undefined => {
    if (next === undefined) return undefined;
    return slash < 0 ? next.template : find(next, path, slash);
  };
  const written = below(node.literals.get(value));
  if (written !== undefined || value === "") return written;
  for (const { segment, node: next } of node.partials) {
    const found = fits(value, segment) ? below(next) : undefined;
    if (found !== undefined) return found;
  }
  return below(node.any);
};

/** The templates of one service. */
export class PathMatcher {
  /** Templates that were left out: no path could be of them, or they are beyond the limits. */
  readonly skipped: number;
  /** Templates without variables, which come before all others. */
  readonly #concrete = new Set<string>();
  readonly #root = new Node();
  readonly #own: string;
  /** Longest first. */
  readonly #bases: readonly string[];

  /**
   * @param own the path of the service's source, without a "/" at the end: below it lies all that is asked of it.
   * It is where the templates stand too, unless a server says otherwise
   */
  constructor({ templates, servers }: DescribedPaths, own: string) {
    this.#own = own;
    this.#bases = [...new Set([...servers, own])].sort((a, b) => b.length - a.length);
    let skipped = 0;
    for (const template of templates) {
      const segments = segmentsOf(template);
      if (segments === undefined) skipped += 1;
      else this.#add(template, segments);
    }
    this.skipped = skipped;
  }

  #add(template: string, segments: readonly Segment[]): void {
    if (segments.every(({ length }) => length === 1)) {
      this.#concrete.add(template);
      return;
    }
    let node = this.#root;
    for (const segment of segments) node = branchOf(node, segment);
    // Of two that differ in the names of their variables alone, which OpenAPI forbids, the first counts.
    node.template ??= template;
  }

  /**
   * The template of a path, as it stands in the description; undefined when there is none. Percent-encoding is
   * compared as it stands.
   *
   * @param path what the source gets, without a query
   */
  match(path: string): string | undefined {
    for (const base of this.#bases) {
      if (!path.startsWith(base) || path[base.length] !== "/") continue;
      const rest = path.slice(base.length);
      const found = this.#concrete.has(rest) ? rest : find(this.#root, rest, 0);
      // What lies below a server's own path is not looked for elsewhere.
      if (found !== undefined || base.length > this.#own.length) return found;
    }
    return undefined;
  }
}
