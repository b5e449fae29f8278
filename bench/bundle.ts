import { buildSync } from "esbuild";
import { bundleOptions } from "../stacks/bundle.ts";

// What is in the consumer's bundle, minified, by package. What is deployed is the same code unminified, so that it can be read.

const TARGET_KIBIBYTES = 400;

const built = buildSync({ ...bundleOptions("runtime/consumer/lambda.ts"), minify: true, metafile: true, write: false });

const sizes = new Map<string, number>();
for (const [file, { bytesInOutput }] of Object.values(built.metafile.outputs).flatMap(({ inputs }) =>
  Object.entries(inputs),
)) {
  const owner = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? "this project";
  const name = /^@(aws-sdk\/client-[^/]+)$/.test(owner)
    ? owner
    : owner.replace(/^(@aws-sdk|@smithy|@aws)\/.*$/, "$1/*");
  sizes.set(name, (sizes.get(name) ?? 0) + bytesInOutput);
}

const total = built.outputFiles.reduce((sum, { contents }) => sum + contents.byteLength, 0) / 1_024;
for (const [name, bytes] of [...sizes].toSorted(([, a], [, b]) => b - a)) {
  console.log(`${(bytes / 1_024).toFixed(1).padStart(7)} KiB  ${name}`);
}
console.log(
  `consumer bundle, minified: ${total.toFixed(1)} KiB; target ${TARGET_KIBIBYTES} KiB; ours / target = ${(total / TARGET_KIBIBYTES).toFixed(2)} (<= 1)`,
);
