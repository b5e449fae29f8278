// Plain JavaScript that old versions of Node understand, since it has to say that one is too old.
const NEEDED = 24;
if (Number(process.versions.node.split(".")[0]) < NEEDED) {
  process.stderr.write(
    `This project runs on Node ${NEEDED}, and this is ${process.version}. npm installs Node ${NEEDED} for it (the package "node"),\n` +
      "whatever the machine has, unless install scripts are switched off. Run, in the project's folder:\n\n" +
      "  npm install --ignore-scripts=false\n  npm start\n\n",
  );
  process.exit(1);
}
import("./start.ts").then(
  (module) => module.main(process.argv),
  (error) => {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.exit(1);
  },
);
