/**
 * ARM PL031 real time clock (DDI 0224) as {@link WallClock}: whole seconds of Unix time in one register.
 * It is used only if its identification registers say that it is one.
 */
import type { DeviceNode, Host } from "../../runtime-bindings.d.ts";
import type { WallClock } from "../ports/index.ts";

export type Pl031Host = Pick<Host, "mmioMap" | "mmioRead32">;

/** Data register (§3.3.1) and identification (§3.3.9, §3.3.10). */
const RTCDR = 0x000;
const RTCPERIPHID0 = 0xfe0;
const RTCPCELLID0 = 0xff0;

/** Part number 0x031 by designer 0x41 (ARM); the upper half of PeriphID2 is the revision. */
const PERIPHERAL_ID = 0x41031;
const PRIMECELL_ID = 0xb105f00d;

export class Pl031 implements WallClock {
  private readonly host: Pl031Host;
  private readonly window: number;

  private constructor(host: Pl031Host, window: number) {
    this.host = host;
    this.window = window;
  }

  /** @returns `undefined` if what answers there is no PL031. */
  static probe(host: Pl031Host, node: DeviceNode): Pl031 | undefined {
    const window = host.mmioMap(node.base, node.size);
    const peripheral = readId(host, window, RTCPERIPHID0) & 0xfffff;
    const cell = readId(host, window, RTCPCELLID0) >>> 0;
    if (peripheral !== PERIPHERAL_ID || cell !== PRIMECELL_ID) return undefined;
    return new Pl031(host, window);
  }

  unixSeconds(): number {
    return this.host.mmioRead32(this.window, RTCDR);
  }
}

/** Four registers of which each holds a byte, the lowest first. */
function readId(host: Pl031Host, window: number, offset: number): number {
  let id = 0;
  for (let i = 0; i < 4; i++) id |= (host.mmioRead32(window, offset + 4 * i) & 0xff) << (8 * i);
  return id;
}
