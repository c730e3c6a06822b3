// Evaluated before anything else is imported: on an older Node the rest might not even load.
const OLDEST = 24;

if (Number(process.versions.node.split(".")[0]) < OLDEST) {
  process.stderr.write(
    `schakel: error: this needs Node.js ${String(OLDEST)} or newer, found ${process.versions.node}\n` +
      "schakel: hint: inside a checkout use 'npx schakel' or 'npm run', which bring their own Node.js\n",
  );
  process.exit(2);
}
