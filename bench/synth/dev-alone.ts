import { registerHooks } from "node:module";
import { deploy as deployAny } from "../../stacks/deploy.ts";

// `node --import ./bench/synth/dev-alone.ts main.ts`: main.ts as it is, whose deployments other than dev are left out. It finds
// this module in the place of its ./stacks/deploy.ts.

registerHooks({
  resolve: (specifier, context, nextResolve) =>
    nextResolve(specifier === "./stacks/deploy.ts" ? import.meta.url : specifier, context),
});

export const deploy: typeof deployAny = (app, input) => {
  if (input.name === "dev") deployAny(app, input);
};
