/**
 * A network of two: the host kernel in a namespace of its own at one end of a tap device, any number of our stacks at the
 * other, each with an address of its own. Nothing of it is left after `close()`.
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatMac } from "../../../services/net/address.ts";
import { Namespace } from "../namespace.ts";
import { Bridge } from "./bridge.ts";
import { Changes } from "./changes.ts";
import { Kernel } from "./kernel.ts";
import { Station, type StationOptions } from "./station.ts";

export const KERNEL_ADDRESS = "10.77.0.1";
/** {@link KERNEL_ADDRESS} as our stack has it. */
export const KERNEL = 0x0a4d0001;
const TAP = "tap0";

/** What our clock does in a moment takes the kernel, whose own has not moved, by surprise: it must not hold answers back. */
const SYSCTLS = ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv4.tcp_invalid_ratelimit=0"];
/** Where the kernel has it (6.15): a line that loses much need not take minutes. */
const RTO_MAX = "net.ipv4.tcp_rto_max_ms=2000";

export interface LabStation extends Omit<StationOptions, "bridge" | "changes" | "number" | "capture"> {
  /** Whether its frames go to the capture, which has all of them if absent. */
  readonly captured?: boolean;
}

export class Lab {
  readonly changes = new Changes();
  readonly namespace: Namespace;
  readonly kernel: Kernel;
  readonly #bridge: Bridge;
  readonly #folder = mkdtempSync(join(tmpdir(), "lab-"));
  /** Where frames of the stations go: all have the same interface, so their captures may be mixed. */
  readonly #capture = openSync(this.capture, "wx");
  readonly #stations: Station[] = [];

  private constructor(namespace: Namespace, bridge: Bridge) {
    this.namespace = namespace;
    this.#bridge = bridge;
    this.kernel = new Kernel(namespace, this.changes);
  }

  /** @throws Error if something of it cannot be made. */
  static async open(): Promise<Lab> {
    const namespace = new Namespace();
    try {
      for (const setting of SYSCTLS) namespace.run("sysctl", "-qw", setting);
      namespace.run("sysctl", "-qew", RTO_MAX);
      namespace.ip("tuntap", "add", "dev", TAP, "mode", "tap");
      namespace.ip("address", "add", `${KERNEL_ADDRESS}/24`, "dev", TAP);
      namespace.ip("link", "set", TAP, "up");
      return new Lab(namespace, await Bridge.open(namespace, TAP));
    } catch (error) {
      namespace.remove();
      throw error;
    }
  }

  /** One more stack at the near end. */
  station(options: LabStation = {}): Station {
    const { captured = true, ...others } = options;
    const station = new Station({
      ...others,
      bridge: this.#bridge,
      changes: this.changes,
      number: this.#stations.length + 2,
      ...(captured ? { capture: (piece) => void writeSync(this.#capture, piece) } : {}),
    });
    this.#stations.push(station);
    // The kernel gives up a connection for three ARP requests that are lost, which a bad line brings about now and then.
    if (options.faults !== undefined) {
      const mac = formatMac(station.port.mac, 0);
      this.namespace.ip("neighbour", "replace", station.address, "lladdr", mac, "dev", TAP, "nud", "permanent");
    }
    return station;
  }

  /** A file with the frames of all stations whose frames are captured. */
  get capture(): string {
    return join(this.#folder, "frames.pcapng");
  }

  get stations(): readonly Station[] {
    return this.#stations;
  }

  /** The kernel's end of the wire goes down or comes back. */
  set link(up: boolean) {
    this.namespace.ip("link", "set", TAP, up ? "up" : "down");
  }

  async close(): Promise<void> {
    for (const station of this.#stations) station.end();
    await this.kernel.close();
    await this.#bridge.close();
    closeSync(this.#capture);
    rmSync(this.#folder, { recursive: true });
    this.namespace.remove();
  }
}
