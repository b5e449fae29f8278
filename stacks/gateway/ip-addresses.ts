/**
 * Which addresses reach the gateway: IPv4 and IPv6, or IPv4 alone where IPv4 ranges alone are let in. Machines that have both
 * prefer IPv6 (RFC 6724), and would be refused by an address that nobody listed.
 *
 * @param allowedSources ranges that are let in; none for all
 * @returns as API Gateway calls it ("IP address types for REST APIs in API Gateway")
 */
export function ipAddressType(allowedSources: readonly string[]): "dualstack" | "ipv4" {
  return allowedSources.length === 0 || allowedSources.some((range) => range.includes(":")) ? "dualstack" : "ipv4";
}
