// The code with which something was refused.
import { SchakelError } from "../../core/errors.js";

/** The code of a SchakelError, the text of any other error, or "accepted". */
export const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return "accepted";
  } catch (error) {
    return error instanceof SchakelError ? error.code : String(error);
  }
};
