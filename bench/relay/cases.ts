// What is measured: the cases, as performance is asked for in them.

/** One kind of load. */
export interface Case {
  readonly name: "get1k-c64" | "get1k-c1" | "post100-c64" | "get1m-c8" | "connect";
  readonly path: string;
  readonly connections: number;
  readonly isPost?: boolean;
  /** A new mutual-TLS connection for each request, without a ticket, straight to the inway. */
  readonly isConnect?: boolean;
}

/** Every case, the most important one first. */
export const CASES: readonly Case[] = [
  { name: "get1k-c64", path: "/get1k", connections: 64 },
  { name: "get1k-c1", path: "/get1k", connections: 1 },
  { name: "post100-c64", path: "/post100", connections: 64, isPost: true },
  { name: "get1m-c8", path: "/get1m", connections: 8 },
  { name: "connect", path: "/get1k", connections: 8, isConnect: true },
];

/** A JSON document of so many bytes. */
export const jsonOf = (bytes: number): string => `{"data":"${"x".repeat(bytes - 11)}"}`;

/** What is sent in a case with a body. */
export const POST_BODY = jsonOf(100);
