/**
 * IPv4 and MAC addresses as text and as numbers. An IPv4 address is a signed 32-bit integer, first octet highest,
 * because that is what JavaScript's bit operators give: two addresses are equal if and only if their numbers are.
 */

/** 255.255.255.255 */
export const BROADCAST = -1;
/** 0.0.0.0 */
export const ANY = 0;

/** How the machine is addressed. Texts in dotted decimal. */
export interface Ipv4Config {
  readonly address: string;
  /** Length of the subnet's prefix, 0 to 32. */
  readonly prefix: number;
  /** Where everything beyond the subnet goes; nowhere if there is none. */
  readonly gateway?: string | undefined;
}

/** {@link Ipv4Config}, checked. */
export interface Ipv4Address {
  readonly address: number;
  readonly mask: number;
  /** Directed broadcast of the subnet, {@link BROADCAST} if the subnet has none (RFC 3021). */
  readonly broadcast: number;
  /** {@link ANY} if there is none. */
  readonly gateway: number;
}

/** Of a machine that has no address yet: it hears broadcasts and can send some. */
export const UNADDRESSED: Ipv4Address = { address: ANY, mask: -1, broadcast: BROADCAST, gateway: ANY };

/** Four decimal octets without leading zeros (which some read as octal). @returns `undefined` if it is none. */
export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  let address = 0;
  for (let i = 1; i <= 4; i++) {
    const digits = match[i] ?? "";
    const octet = Number(digits);
    if (octet > 255 || String(octet) !== digits) return undefined;
    address = (address << 8) | octet;
  }
  return address;
}

export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 0xff}.${(address >>> 8) & 0xff}.${address & 0xff}`;
}

export function formatMac(bytes: Uint8Array, at: number): string {
  let text = "";
  for (let i = 0; i < 6; i++) {
    text += (i === 0 ? "" : ":") + (bytes[at + i] ?? 0).toString(16).padStart(2, "0");
  }
  return text;
}

/** Whether one machine can have it: not 0/8, not loopback, not multicast, not reserved (RFC 1122 §3.2.1.3). */
export function isUnicast(address: number): boolean {
  const first = address >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}

/** @throws Error, one sentence, naming the field that is wrong. */
export function checkIpv4Config(config: Ipv4Config): Ipv4Address {
  const address = parseIpv4(config.address);
  if (address === undefined) throw new Error(`ipv4.address: "${config.address}" is no IPv4 address`);
  if (!isUnicast(address)) throw new Error(`ipv4.address: ${config.address} is no unicast address`);
  const prefix = config.prefix;
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > 32) {
    throw new Error(`ipv4.prefix: ${prefix} is not an integer from 0 to 32`);
  }
  // A shift by 32 would be one by 0.
  const mask = prefix === 0 ? 0 : -1 << (32 - prefix);
  if (prefix < 31) {
    if (address === (address & mask)) throw new Error(`ipv4.address: ${config.address} is the subnet's own address`);
    if (address === (address | ~mask)) {
      throw new Error(`ipv4.address: ${config.address} is the subnet's broadcast address`);
    }
  }
  const broadcast = prefix < 31 ? address | ~mask : BROADCAST;
  if (config.gateway === undefined) return { address, mask, broadcast, gateway: ANY };
  const gateway = parseIpv4(config.gateway);
  if (gateway === undefined) throw new Error(`ipv4.gateway: "${config.gateway}" is no IPv4 address`);
  if (!isUnicast(gateway) || gateway === address || gateway === broadcast || (gateway & mask) !== (address & mask)) {
    throw new Error(`ipv4.gateway: ${config.gateway} is no other machine in ${config.address}/${prefix}`);
  }
  return { address, mask, broadcast, gateway };
}
