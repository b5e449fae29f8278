import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "cdktf";
import { type DeploymentInput, parseDeployment } from "../../stacks/config.ts";
import { deploy } from "../../stacks/deploy.ts";
import { OperationsStack } from "../../stacks/operations-stack.ts";
import { type Emitted, readEmitted } from "./emitted.ts";

/**
 * What a deployment other than those of `main.ts` emits.
 *
 * @example emitDeployment({ ...valid, name: "prod", operations: {} }).stack("prod-operations")
 */
export function emitDeployment(input: DeploymentInput): Emitted {
  return emit((app) => deploy(app, input));
}

/** The same of its operations stack alone, in a fraction of the time, with AWS's keys. */
export function emitOperations(input: DeploymentInput): Emitted {
  const deployment = parseDeployment(input);
  const { operations } = deployment;
  if (operations === undefined) throw new Error(`${input.name} has no operations`);
  return emit((app) => new OperationsStack(app, deployment, operations, { key: undefined }));
}

function emit(declare: (app: App) => unknown): Emitted {
  const outdir = mkdtempSync(join(tmpdir(), "fifo-gateway-app-"));
  try {
    const app = new App({ outdir });
    declare(app);
    app.synth();
    return readEmitted(outdir);
  } finally {
    rmSync(outdir, { recursive: true });
  }
}
