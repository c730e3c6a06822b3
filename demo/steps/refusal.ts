// Step 8: the third peer asks the same without a contract, and is refused.
import { HEADER } from "../../core/exchange-headers.js";
import { call, jsonOf } from "../call.js";
import { ADVISER } from "../organisations.js";
import { wrap } from "../screen.js";
import type { Network } from "../services.js";
import { check, type Step } from "../step.js";
import type { Prepared } from "./certificates.js";
import { targetOf } from "./exchange.js";

const CODE = "ERROR_CODE_NO_CONTRACT";

const requestsAt = ({ source }: Network): number =>
  source.running.lines.filter((line) => line.fields["msg"] === "answered").length;

/** Makes a call that no contract allows. */
export const refusal: Step<Pick<Prepared, "thumbprint"> & Network, undefined> = {
  name: "refusal",
  title: "A call without a contract",
  why:
    `${ADVISER.name} is in the group and has a valid certificate, but no contract with the ` +
    "register. Being known is not enough: its call is refused before the source hears of it.",
  run: async (scene, given) => {
    const { inway, otherOutway, thumbprint } = given;
    scene.waiting("the refusal");
    const before = requestsAt(given);
    const answer = await call(otherOutway.port, targetOf("/provinces"));
    const both = [otherOutway.running, inway.running];
    check(
      answer.status === 403 && answer.header(HEADER.errorCode) === CODE,
      `the call answered ${String(answer.status)} instead of 403 ${CODE}: ${answer.text}`,
      ...both,
    );
    const { message, code, hint } = jsonOf(answer);
    const said = String(message);
    check(code === CODE, `the body names ${String(code)} instead of ${CODE}`, ...both);
    check(
      said.includes(ADVISER.id) && said.includes(thumbprint(ADVISER)),
      `the message does not name who was refused: ${said}`,
      ...both,
    );
    check(requestsAt(given) === before, "the source was asked all the same", given.source.running);
    return {
      told: {
        lines: [
          `GET ${targetOf("/provinces")}`,
          `    from ${ADVISER.name}'s outway, http://127.0.0.1:${String(otherOutway.port)}`,
          "",
          `HTTP ${String(answer.status)}`,
          `${HEADER.errorCode}: ${CODE}`,
          ...wrap(`message: ${said}`, 72),
          ...wrap(`hint: ${String(hint)}`, 72),
        ],
        result: "403, with what to do about it; the source was not asked",
        detail: { status: answer.status, code, message: said },
      },
      made: undefined,
    };
  },
};
