// Checks contracts/refusal.ts: FSC's codes for contracts, each with the status of the table of errors.
import { expect } from "chai";
import { ContractRefusal, REFUSAL_CODES, type RefusalCode } from "../../contracts/refusal.js";
import { errorRow, SchakelError } from "../../core/errors.js";

// FSC Core 2.0.0, error codes of the Manager.
const STATUSES: Readonly<Record<RefusalCode, number>> = {
  ERROR_CODE_INCORRECT_GROUP_ID: 422,
  ERROR_CODE_SUBMITTING_PEER_NOT_PART_OF_CONTRACT: 422,
  ERROR_CODE_RECEIVING_PEER_NOT_PART_OF_CONTRACT: 422,
  ERROR_CODE_SIGNATURE_CONTRACT_CONTENT_HASH_MISMATCH: 422,
  ERROR_CODE_PEER_CERTIFICATE_VERIFICATION_FAILED: 400,
  ERROR_CODE_PEER_ID_SIGNATURE_MISMATCH: 422,
  ERROR_CODE_SIGNATURE_VERIFICATION_FAILED: 422,
  ERROR_CODE_GRANT_COMBINATION_NOT_ALLOWED: 422,
  ERROR_CODE_URL_PATH_CONTENT_HASH_MISMATCH: 422,
  ERROR_CODE_UNKNOWN_HASH_ALGORITHM_HASH: 422,
  ERROR_CODE_UNKNOWN_ALGORITHM_SIGNATURE: 422,
  ERROR_CODE_UNKNOWN_FSC_VERSION: 422,
  // Ours.
  ERROR_CODE_REQUEST_INVALID: 400,
  ERROR_CODE_BODY_TOO_LARGE: 413,
  ERROR_CODE_CONTRACT_INVALID: 422,
};

describe("the refusal of a contract", () => {
  for (const code of REFUSAL_CODES) {
    it(`has the status of FSC with ${code}`, () => {
      expect(errorRow(code).status).to.equal(STATUSES[code]);
    });
  }

  it("tells its sender the detail and keeps the cause for the log", () => {
    const cause = new Error("inside");
    const refusal = new ContractRefusal("ERROR_CODE_CONTRACT_INVALID", "why", { cause });
    expect(refusal).to.be.instanceOf(SchakelError);
    expect(refusal.detail).to.equal("why");
    expect(refusal.cause).to.equal(cause);
    expect(refusal.message).not.to.include("inside");
  });
});
