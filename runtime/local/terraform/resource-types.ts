import type { ResourceTypes } from "./resource-type.ts";
import { DELIVERY_TYPES } from "./types/delivery.ts";
import { GATEWAY_TYPES } from "./types/gateway.ts";
import { MESSAGING_TYPES } from "./types/messaging.ts";
import { NETWORK_TYPES } from "./types/network.ts";
import { OPERATIONS_TYPES } from "./types/operations.ts";

/**
 * Every resource type that local mode reads. A type that is not here is an error that names it: add it with what it
 * computes, and either run it or say why not.
 */
export const RESOURCE_TYPES: ResourceTypes = {
  ...MESSAGING_TYPES,
  ...DELIVERY_TYPES,
  ...NETWORK_TYPES,
  ...GATEWAY_TYPES,
  ...OPERATIONS_TYPES,
};
