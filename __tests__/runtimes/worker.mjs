// workerd starts here: each request is one run of the scenario.
import * as sdk from "@org/fifo-client";
import { runScenario } from "./scenario.mjs";

export default {
  async fetch(request) {
    return Response.json(await runScenario(sdk, await request.json()));
  },
};
