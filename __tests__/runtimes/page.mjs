// A page starts here: the browser's driver calls these two.
import * as sdk from "@org/fifo-client";
import { runForeign, runScenario } from "./scenario.mjs";

globalThis.scenario = { run: (world) => runScenario(sdk, world), runForeign: (world) => runForeign(sdk, world) };
