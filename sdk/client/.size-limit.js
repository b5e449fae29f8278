// As ESM, which is what a user's bundler makes of it: esbuild's default format adds a shim for `require("ky")` that nobody gets.
const modifyEsbuildConfig = (config) => ({ ...config, format: "esm" });

export default [
  // The file as it is published, which is small already: what a bundler adds to it or takes away is its own affair.
  { name: "own code", path: "dist/index.js", disablePlugins: ["@size-limit/esbuild"], gzip: true, limit: "5 kB" },
  { name: "with ky", path: "dist/index.js", gzip: true, limit: "14 kB", modifyEsbuildConfig },
];
