import type { Rule } from "../risk.ts";
import { accessRules } from "./access.ts";
import { anythingRules } from "./anything.ts";
import { backendRules } from "./backend.ts";
import { consumerRules } from "./consumer.ts";
import { consumerEnvironmentRules } from "./consumer-environment.ts";
import { encryptionRules } from "./encryption.ts";
import { encryptionKeyRules } from "./encryption-key.ts";
import { frontDoorRules } from "./front-door.ts";
import { operationsRules } from "./operations.ts";
import { parkingLotRules } from "./parking-lot.ts";
import { policyRules } from "./policies.ts";
import { producerRules } from "./producers.ts";
import { queueRules } from "./queues.ts";
import { redriveRules } from "./redrive.ts";
import { routeRules } from "./routes.ts";
import { securityGroupRules } from "./security-groups.ts";

/** Every rule, in the order in which a message travels. */
export const rules: readonly Rule[] = [
  ...producerRules,
  ...frontDoorRules,
  ...routeRules,
  ...queueRules,
  ...redriveRules,
  ...consumerRules,
  ...consumerEnvironmentRules,
  ...backendRules,
  ...parkingLotRules,
  ...policyRules,
  ...accessRules,
  ...securityGroupRules,
  ...encryptionKeyRules,
  ...encryptionRules,
  ...operationsRules,
  ...anythingRules,
];
