import type { DeploymentConfig } from "../config.ts";

/** Port of the response server. */
export const RESPONSE_SERVER_PORT = 8_000;

/** Which addresses a network's parts have, all known before anything is made, so that a new instance changes no address. */
interface NetworkPlan {
  /** The subnet that the instance is in. */
  readonly publicSubnet: string;
  /** The subnets that the consumer is in, one a zone. */
  readonly privateSubnets: readonly [string, string];
  /** The instance's own address. */
  readonly instanceAddress: string;
}

/** Whether an IPv4 range can be the network: private (RFC 1918), /16 to /26, and its first address is the one it is named by. */
export function isNetwork(range: string): boolean {
  const { address, prefix } = parse(range);
  const block = 2 ** (32 - prefix);
  const inside = (first: string, length: number) =>
    Math.floor(address / 2 ** (32 - length)) === Math.floor(parse(`${first}/0`).address / 2 ** (32 - length));
  return (
    prefix >= 16 &&
    prefix <= 26 &&
    address % block === 0 &&
    (inside("10.0.0.0", 8) || inside("172.16.0.0", 12) || inside("192.168.0.0", 16))
  );
}

/**
 * Divides a network: a quarter for each subnet, the last one free. The instance has the public one's eleventh address; AWS keeps
 * the first four and the last of each subnet for itself (VPC, "Subnet CIDR blocks").
 *
 * @param range an IPv4 range, `isNetwork`
 * @example planNetwork("10.42.0.0/24").instanceAddress // "10.42.0.10"
 */
export function planNetwork(range: string): NetworkPlan {
  const { address, prefix } = parse(range);
  const quarter = 2 ** (32 - prefix - 2);
  const subnet = (index: number) => `${text(address + index * quarter)}/${prefix + 2}`;
  return {
    publicSubnet: subnet(0),
    privateSubnets: [subnet(1), subnet(2)],
    instanceAddress: text(address + 10),
  };
}

/** Where a deployment's messages are posted to, unless the variable `backend_url` says otherwise. */
export function backendUrlOf({
  backend,
  responseServer,
}: Pick<DeploymentConfig, "backend" | "responseServer">): string {
  if (backend !== "response-server") return backend.url;
  return `http://${planNetwork(responseServer.network).instanceAddress}:${RESPONSE_SERVER_PORT}/`;
}

function parse(range: string): { readonly address: number; readonly prefix: number } {
  const [address = "", prefix] = range.split("/");
  return { address: address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0), prefix: Number(prefix) };
}

function text(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}
