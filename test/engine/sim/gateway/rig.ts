/**
 * A gateway and a guest that is the test's: the modelled device between the real driver with a stack of its own and the gateway, and
 * real sockets of the host before it. The clock stands still until a test lets time pass.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { DeviceTimer } from "../../../../engine/sim/clock.ts";
import { VirtioNet as Model } from "../../../../engine/sim/devices/virtio/net.ts";
import { Gateway } from "../../../../engine/sim/gateway/gateway.ts";
import { gatewayNetwork } from "../../../../engine/sim/gateway/network.ts";
import { nodeBytes } from "../../../../scripts/lib/node-bytes.ts";
import { VirtioNet } from "../../../../services/drivers/virtio/net.ts";
import { NetStack } from "../../../../services/net/stack.ts";
import type { TcpListener } from "../../../../services/net/tcp/listener.ts";
import type { TcpSocket } from "../../../../services/net/tcp/socket.ts";
import { Timers } from "../../../../services/pump/timers.ts";
import { SimulatedMachine } from "../../../services/drivers/virtio/simulated.ts";
import { fixedRandom } from "../../../services/net/netsim/network.ts";

export const GUEST_MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
const CONSOLE_PORT = 31337;
const NETWORK = { address: "10.0.2.15", prefix: 24, gateway: "10.0.2.2", consolePort: CONSOLE_PORT } as const;
/** Looks at the event loop before a test is told that what it waits for does not come. */
const PATIENCE = 20_000;
/** Time that passes between two of them. */
const LOOK_US = 20;

export interface RigOptions {
  readonly mode?: "static" | "dhcp";
  /** Whether the guest has a driver, and a listener. */
  readonly driven?: boolean;
  readonly listening?: boolean;
  readonly connections?: number;
}

export class GatewayRig {
  readonly board: SimulatedMachine;
  readonly device: Model;
  readonly gateway: Gateway;
  readonly guest: NetStack | undefined;
  readonly listener: TcpListener | undefined;
  /** How often the gateway ran, and what the guest was told of its address. */
  served = 0;
  readonly addressed: string[] = [];
  readonly #clock = { us: 0, virtual: true, nowUs: () => this.#clock.us, advanceTo: () => undefined };
  readonly #timers = new Timers(8);
  readonly #due: DeviceTimer[] = [];
  readonly #port: VirtioNet | undefined;
  readonly #hosts: Socket[] = [];

  constructor({ mode = "static", driven = true, listening = true, connections }: RigOptions = {}) {
    let model: Model | undefined;
    this.board = new SimulatedMachine((slot) => (model = new Model(slot, GUEST_MAC, false, () => undefined)));
    if (model === undefined) throw new Error("no device");
    this.device = model;
    const machine = {
      net: model,
      clock: this.#clock,
      attach: (fire: () => void): DeviceTimer => {
        const timer = { deadline: Infinity, fire };
        this.#due.push(timer);
        return timer;
      },
      kick: () => undefined,
    };
    this.gateway = new Gateway(machine, gatewayNetwork({ mode, ...NETWORK }), connections);
    if (!driven) return;
    this.#port = new VirtioNet(this.board, this.board.transport());
    this.guest = new NetStack({
      port: this.#port,
      clock: this.#clock,
      bytes: nodeBytes,
      random: fixedRandom(1),
      timers: this.#timers,
      ipv4: mode === "static" ? NETWORK : undefined,
      addressed: (text) => this.addressed.push(text),
    });
    if (listening) this.listener = this.guest.tcp.listen(CONSOLE_PORT, 8);
  }

  /** How often the guest's driver had to set its device up anew. */
  get resets(): number {
    return this.#port?.counters.resets ?? 0;
  }

  /** A connection of the host's that the gateway has accepted; the test has its other end. */
  async host(): Promise<Socket> {
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    client.on("error", () => undefined);
    const [accepted] = (await once(server, "connection")) as [Socket];
    server.close();
    this.#hosts.push(client, accepted);
    this.gateway.accept(accepted);
    return client;
  }

  /** The guest's end of the connection that has waited longest. */
  async accepted(): Promise<TcpSocket> {
    let socket: TcpSocket | undefined;
    await this.until(() => (socket = this.listener?.accept()) !== undefined);
    return socket!;
  }

  /** Do what is due at this moment on both sides. @returns whether anything was. */
  turn(): boolean {
    const { us } = this.#clock;
    let busy = false;
    for (const timer of this.#due) {
      if (timer.deadline > us) continue;
      timer.deadline = Infinity;
      timer.fire();
      this.served++;
      busy = true;
    }
    const port = this.#port;
    const { guest } = this;
    if (port === undefined || guest === undefined) return busy;
    if (this.board.raised(port.bit)) {
      port.service();
      guest.raise();
    }
    this.board.time = us;
    this.#timers.fire(us, 8);
    busy = guest.receive(64) > 0 || busy;
    busy = guest.send(64, us) > 0 || busy;
    return busy;
  }

  /** Let both sides and the host's sockets go on until it is so; next to no time passes. */
  async until(done: () => boolean): Promise<void> {
    for (let looks = 0; !done(); looks++) {
      if (looks > PATIENCE) throw new Error("what was waited for did not come");
      if (this.turn()) continue;
      this.#clock.us += LOOK_US;
      await new Promise((settle) => setImmediate(settle));
    }
  }

  /** Until nothing moves any more. */
  async settled(): Promise<void> {
    for (let quiet = 0; quiet < 50; quiet++) {
      if (this.turn()) quiet = 0;
      await new Promise((settle) => setImmediate(settle));
    }
  }

  /** Let time pass, from one deadline to the next. */
  pass(us: number): void {
    const end = this.#clock.us + us;
    for (;;) {
      while (this.turn());
      const next = Math.min(this.#timers.nextUs(), ...this.#due.map(({ deadline }) => deadline));
      if (next > end) break;
      this.#clock.us = Math.max(this.#clock.us, next);
    }
    this.#clock.us = end;
  }

  /** @throws Error if a connection is not accounted for. */
  end(): void {
    this.gateway.close();
    for (const socket of this.#hosts) socket.destroy();
    const { accepted, ...fates } = this.gateway.counters;
    const sum = Object.values(fates).reduce((total, count) => total + count, 0);
    if (sum !== accepted) throw new Error(`${accepted} connections, but ${JSON.stringify(fates)}`);
  }
}

/** Everything that a socket of the host brings. */
export class Heard {
  readonly bytes: Buffer[] = [];
  ended = false;
  closed = false;
  error: string | undefined;

  constructor(socket: Socket) {
    socket.on("data", (bytes) => this.bytes.push(bytes));
    socket.on("end", () => (this.ended = true));
    socket.on("close", () => (this.closed = true));
    socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code));
  }

  get length(): number {
    return this.bytes.reduce((sum, { length }) => sum + length, 0);
  }
}
