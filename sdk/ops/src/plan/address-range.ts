/** A private range that is larger than the bound below (RFC 4193). */
const PRIVATE = "fc00::/7";

/** Nobody's own network is larger: RFC 1918's largest is a /8, and of IPv6 a provider has a /16 at most. */
const LONGEST_OPEN = { 4: 7, 6: 15 } as const;

/**
 * Whether a range of addresses is everyone's, or so much of it that it may as well be: `0.0.0.0/0`, and also the halves that it
 * can be written as.
 *
 * @example isWorldRange("128.0.0.0/1") // true
 */
export function isWorldRange(range: string): boolean {
  const [address = "", prefix = ""] = range.split("/");
  if (!/^\d{1,3}$/.test(prefix) || range.toLowerCase() === PRIVATE) return false;
  return Number(prefix) <= LONGEST_OPEN[address.includes(":") ? 6 : 4];
}
