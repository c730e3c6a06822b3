// The export bundle: part of a log with all that proves it, in one file of JSON lines (docs/evidence.md).
export { readBundle, writeBundle, type BundleSigner, type ReadPiece } from "./bundle-file.js";
export { bundleMessage, type BundleHeader, type BundlePiece } from "./bundle-lines.js";
export {
  verifyBundle,
  verifyPieces,
  type BundleProgress,
  type BundleTrust,
  type VerifiedBundle,
} from "./verify-bundle.js";
