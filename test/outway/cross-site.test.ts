// Checks outway/cross-site.ts: what it refuses, then what it does.
import { expect } from "chai";
import { SchakelError } from "../../core/errors.js";
import { refuseCrossSite } from "../../outway/cross-site.js";
import type { HeaderLines } from "../../relay/message.js";

const request = (headers: HeaderLines): Parameters<typeof refuseCrossSite>[0] => ({
  headers: [["Host", "localhost:8080"], ...headers],
});

describe("outway/cross-site", () => {
  const refused: readonly HeaderLines[] = [
    [["Sec-Fetch-Site", "cross-site"]],
    [["sec-fetch-site", "same-site"]],
    [["Sec-Fetch-Site", "anything-new"]],
    [
      ["Sec-Fetch-Site", "same-origin"],
      ["Sec-Fetch-Site", "cross-site"],
    ],
    [["Origin", "https://attacker.example"]],
    [["Origin", "http://localhost:3000"]],
    [["Origin", "null"]],
    [["Origin", ""]],
    [
      ["Origin", "http://localhost:8080"],
      ["Origin", "https://attacker.example"],
    ],
  ];
  for (const headers of refused) {
    it(`refuses ${headers.map((pair) => pair.join(": ")).join(", ")}`, () => {
      expect(() => refuseCrossSite(request(headers)))
        .to.throw(SchakelError)
        .with.property("code", "ERROR_CODE_CROSS_SITE_REQUEST");
    });
  }

  const allowed: readonly HeaderLines[] = [
    [],
    [["Sec-Fetch-Site", "none"]],
    [["Sec-Fetch-Site", "same-origin"]],
    [["Origin", "http://localhost:8080"]],
  ];
  for (const headers of allowed) {
    it(`lets ${headers.map((pair) => pair.join(": ")).join(", ") || "a program's request"} pass`, () => {
      expect(() => refuseCrossSite(request(headers))).not.to.throw();
    });
  }
});
