import type { Scenario } from "../scenario.ts";
import { deliveryScenarios } from "./delivery.ts";
import { gatewayScenarios } from "./gateway.ts";
import { messagingScenarios } from "./messaging.ts";
import { operationsScenarios } from "./operations.ts";

/** Every plan that there is a fixture of. */
export const scenarios: readonly Scenario[] = [
  ...messagingScenarios,
  ...gatewayScenarios,
  ...deliveryScenarios,
  ...operationsScenarios,
];
