// How much managers ask and tell each other about their transaction logs. Both sides keep to the same limits.

/** The levels of a comparison. */
export const COMPARED_LEVELS = ["whole", "day", "hour", "bucket", "group"] as const;

/** Parts in one step of a comparison: ERROR_CODE_REQUEST_INVALID. */
export const PARTS_MAX = 64;

/** Characters of a service's name in a comparison: as many as a writer of the log lets it have bytes. */
export const SERVICE_LENGTH_MAX = 1024;

/** The body of a step, in bytes: ERROR_CODE_BODY_TOO_LARGE. */
export const STEP_BYTES_MAX = 512 * 1024;

/** The answer to a step, in bytes. */
export const STEP_ANSWER_BYTES_MAX = 2 * 1024 * 1024;

/** The result of a comparison with its signature, in bytes: ERROR_CODE_BODY_TOO_LARGE. */
export const CO_SIGN_BYTES_MAX = 8 * 1024 * 1024;

/** A signature for a result, in characters. */
export const SIGNATURE_LENGTH_MAX = 16 * 1024;

/** A request to a witness, in bytes: ERROR_CODE_BODY_TOO_LARGE. */
export const WITNESS_BYTES_MAX = 64 * 1024;

/** Transactions whose records are asked for at once: ERROR_CODE_REQUEST_INVALID. */
export const RECORDS_OF_MAX = 200;

/** The body that asks for records, in bytes: ERROR_CODE_BODY_TOO_LARGE. */
export const RECORDS_BYTES_MAX = 16 * 1024;

/** Records with their proofs, in bytes; those that do not fit are left out. */
export const RECORDS_ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** A tile, in bytes. */
export const TILE_BYTES_MAX = 8192;
