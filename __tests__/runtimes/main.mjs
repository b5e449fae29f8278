// Node, Deno and Bun start here, from a folder into which the packed client is installed.
import * as sdk from "@org/fifo-client";
import { runScenario } from "./scenario.mjs";

const verdict = await runScenario(sdk, JSON.parse(process.argv[2]));
console.log(`VERDICT ${JSON.stringify(verdict)}`);
