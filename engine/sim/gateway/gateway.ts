/**
 * The way from the host into a simulated hive's network: a second network stack at the other end of the modelled device's cable. A
 * connection of the host becomes one of that stack to the guest's console, so everything crosses the guest's driver, TCP and door
 * as it would on a machine. It runs on the machine's clock, when something happened or is due, and else not at all.
 */
import { randomFillSync } from "node:crypto";
import type { Socket } from "node:net";
import { nodeBytes } from "../../../scripts/lib/node-bytes.ts";
import { checkIpv4Config } from "../../../services/net/address.ts";
import { NetStack } from "../../../services/net/stack.ts";
import type { Random } from "../../../services/ports/index.ts";
import { Timers } from "../../../services/pump/timers.ts";
import type { DeviceTimer } from "../clock.ts";
import type { Machine } from "../machine.ts";
import { GatewayConnection, type End } from "./connection.ts";
import { DhcpServer } from "./dhcp-server.ts";
import type { GatewayNetwork } from "./network.ts";
import { type GatewayDevice, GatewayPort } from "./port.ts";

/** What it needs of a machine, which need not be one of ours: the other end of its cable, a clock, and turns. */
export interface GatewayMachine extends Pick<Machine, "clock" | "attach" | "kick"> {
  readonly net: GatewayDevice | undefined;
}

/** Connections at once, if it is not said: more than a hive's door has room for. */
const CONNECTIONS = 64;
/** Of a connection that both sides have left, the stack may still have to say goodbye. */
const SPARE_SOCKETS = 16;
/** Frames and segments in one go. */
const BUDGET = 256;
/** The stack holds one timer. */
const TIMERS = 4;

const random: Random = {
  ready: true,
  fill: (into) => {
    randomFillSync(into);
    return true;
  },
};

/** What became of the host's connections: `accepted` is the sum of the others and of those that are there. */
export interface GatewayCounters extends Record<End, number> {
  accepted: number;
  /** Turned away because as many as may be were there. */
  full: number;
}

export class Gateway {
  readonly counters: GatewayCounters = { accepted: 0, full: 0, closed: 0, host: 0, guest: 0, refused: 0 };
  readonly port: GatewayPort;
  readonly stack: NetStack;
  readonly dhcp: DhcpServer | undefined;
  readonly #machine: GatewayMachine;
  readonly #network: GatewayNetwork;
  readonly #most: number;
  readonly #timers = new Timers(TIMERS);
  readonly #timer: DeviceTimer;
  readonly #connections = new Set<GatewayConnection>();
  #closed = false;

  /** @throws Error, one sentence, if the machine has no network device or its other end is taken. */
  constructor(machine: GatewayMachine, network: GatewayNetwork, connections = CONNECTIONS) {
    const { net: device, clock } = machine;
    if (device === undefined) throw new Error("the machine has no network device");
    if (device.wire !== undefined) throw new Error("the machine's network cable has somebody at its other end");
    this.#machine = machine;
    this.#network = network;
    this.#most = connections;
    const { ipv4, guest, dhcp } = network;
    const { mask, address: server } = checkIpv4Config(ipv4);
    this.port = new GatewayPort(device, macOf(server), () => this.#raise());
    this.#timer = machine.attach(() => this.#serve());
    this.stack = new NetStack({
      port: this.port,
      clock,
      bytes: nodeBytes,
      random,
      timers: this.#timers,
      ipv4,
      givesAddresses: dhcp,
      tcp: { sockets: connections + SPARE_SOCKETS },
      addressed: () => undefined,
    });
    if (dhcp) {
      this.dhcp = new DhcpServer({ udp: this.stack.udp, mac: device.mac, address: guest, mask, server });
    }
  }

  /** Connections that are there. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Carry a connection of the host's to the guest's console. */
  accept(host: Socket): void {
    const { counters } = this;
    counters.accepted++;
    const { guest: address, consolePort } = this.#network;
    const free = !this.#closed && this.#connections.size < this.#most;
    const guest = free ? this.stack.tcp.connect(address, consolePort) : undefined;
    if (guest === undefined) {
      counters.full++;
      host.on("error", () => undefined);
      host.resetAndDestroy();
      return;
    }
    this.#connections.add(new GatewayConnection(host, guest, () => this.#wake()));
    this.#wake();
  }

  /** Break off all connections and leave the cable. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const connection of this.#connections) connection.abort();
    this.counters.host += this.#connections.size;
    this.#connections.clear();
    this.#timer.deadline = Infinity;
    this.port.close();
  }

  /** The guest has sent something: it is looked at as soon as the guest's turn is over. */
  #raise(): void {
    this.stack.raise();
    this.#timer.deadline = 0;
  }

  /** Something happened on the host's side. */
  #wake(): void {
    if (this.#closed) return;
    this.#timer.deadline = 0;
    this.#machine.kick();
  }

  #serve(): void {
    const { stack } = this;
    const nowUs = this.#machine.clock.nowUs();
    this.#timers.fire(nowUs, TIMERS);
    stack.receive(BUDGET);
    for (const connection of this.#connections) {
      const end = connection.serve();
      if (end === undefined) continue;
      this.counters[end]++;
      this.#connections.delete(connection);
    }
    stack.send(BUDGET, nowUs);
    let more = stack.receiving || stack.sending(this.#machine.clock.nowUs());
    // What time has ended, it ended just now.
    for (const connection of this.#connections) more ||= connection.overdue;
    this.#timer.deadline = more ? 0 : this.#timers.nextUs();
  }
}

/** A locally administered address made of the IPv4 address, as QEMU's user network has it. */
function macOf(address: number): Uint8Array {
  return Uint8Array.of(0x52, 0x55, address >>> 24, address >>> 16, address >>> 8, address);
}
