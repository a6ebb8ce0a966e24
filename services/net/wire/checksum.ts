/**
 * The pseudo header that TCP and UDP sum with their segments (RFC 9293 §3.1, RFC 768): it ties them to the addresses.
 */

/** Sum of a pseudo header, folded to 16 bits: the initial value of a segment's checksum. */
export function pseudoHeaderSum(source: number, destination: number, protocol: number, length: number): number {
  const sum = (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length;
  return (sum & 0xffff) + (sum >> 16);
}
