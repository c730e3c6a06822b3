// Makes proto/gen/ from the .proto files with buf and ts-proto. `--baseline` also rewrites the image
// that `buf breaking` compares with, which is done once, when a version of the interface is published.
import { spawnSync } from "node:child_process";

const buf = (...args) => {
  const { status } = spawnSync("node_modules/.bin/buf", args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
};

buf("lint");
buf("generate");
if (process.argv.includes("--baseline")) buf("build", "-o", "proto/baseline.binpb");
