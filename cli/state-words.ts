// The words that commands use for the states of contracts and for decisions.

/** The states. */
export const STATE_WORDS = ["proposed", "valid", "rejected", "revoked", "expired"] as const;
export type StateWord = (typeof STATE_WORDS)[number];

/** The decisions. */
export const DECISION_WORDS = ["accept", "reject", "revoke"] as const;
export type DecisionWord = (typeof DECISION_WORDS)[number];
