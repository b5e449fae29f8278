/**
 * Why the local gateway does not start.
 *
 * - `RESOURCE_UNKNOWN`: a resource type that local mode does not run.
 * - `RESOURCE_INVALID`: an argument that it does not know, or a value that API Gateway would refuse.
 * - `REFERENCE_BROKEN`: an id that leads to no resource.
 */
export type GatewayErrorCode = "RESOURCE_UNKNOWN" | "RESOURCE_INVALID" | "REFERENCE_BROKEN";

/** Names the resource's address and the argument. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly code: GatewayErrorCode;

  constructor(code: GatewayErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
