/** Whether a frame that the stack sends is one, read by code that shares nothing with what wrote it. */
import { must } from "../target.ts";
import { internetSum } from "./bytes.ts";
import { OWN_MAC } from "./port.ts";

const ARP = 0x0806;
const IPV4 = 0x0800;

/** @throws Error if it is none that this machine may send */
export function checkSent(bytes: Uint8Array, at: number, length: number, own: number): void {
  const u8 = (offset: number): number => bytes[at + offset]!;
  const u16 = (offset: number): number => (u8(offset) << 8) | u8(offset + 1);
  const i32 = (offset: number): number => (u16(offset) << 16) | u16(offset + 2);
  const frame = (): string => Buffer.from(bytes.subarray(at, at + length)).toString("hex");
  const sound = (holds: boolean, what: string): void => must(holds, () => `sent ${what}: ${frame()}`);
  for (let i = 0; i < 6; i++) sound(u8(6 + i) === OWN_MAC[i], "from another link address");
  const type = u16(12);
  if (type === ARP) {
    sound(length === 42 && i32(14) === 0x00010800 && u16(18) === 0x0604, "no ARP packet");
    sound(u16(20) === 1 || u16(20) === 2, "an ARP operation");
    sound(i32(28) === own && own !== 0, "ARP from another address");
    return;
  }
  sound(type === IPV4, "another type");
  sound(length >= 34 && u8(14) === 0x45 && u16(16) === length - 14, "no IPv4 packet of its length");
  sound(internetSum(bytes, at + 14, 20, 0) === 0xffff, "a wrong IPv4 checksum");
  sound(u16(20) === 0x4000 && u8(22) === 64, "a fragment, or without time to live");
  sound(i32(26) === own, "from another address");
  const protocol = u8(23);
  const payload = length - 34;
  const pseudo = internetSum(bytes, at + 26, 8, protocol + payload);
  if (protocol === 1) {
    sound(payload >= 8 && internetSum(bytes, at + 34, payload, 0) === 0xffff, "no ICMP message");
    sound(u16(34) === 0 || (u8(34) === 3 && (u8(35) === 2 || u8(35) === 3)), "an ICMP type");
    // RFC 1122 §3.2.2: no error to who cannot have asked.
    if (u8(34) === 3) sound(payload >= 8 + 20 && payload <= 8 + 60 + 8, "an ICMP error of that size");
  } else if (protocol === 17) {
    sound(payload >= 8 && u16(38) === payload && u16(40) !== 0, "no UDP datagram");
    sound(internetSum(bytes, at + 34, payload, pseudo) === 0xffff, "a wrong UDP checksum");
  } else {
    sound(protocol === 6, "another protocol");
    const header = (u8(46) >> 4) * 4;
    sound(payload >= 20 && header >= 20 && header <= payload, "no TCP segment");
    sound(internetSum(bytes, at + 34, payload, pseudo) === 0xffff, "a wrong TCP checksum");
    sound(u16(34) !== 0 && u16(36) !== 0, "a TCP port 0");
    let option = 54;
    while (option < 34 + header) {
      const kind = u8(option);
      if (kind === 0) break;
      const size = kind === 1 ? 1 : u8(option + 1);
      sound(size > 0 && option + size <= 34 + header, "a TCP option that runs over");
      option += size;
    }
  }
}
