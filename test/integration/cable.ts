/**
 * The network cable of a machine in QEMU, with its other end in this process: a datagram of the loopback for each Ethernet frame
 * (`-netdev dgram`). Any number of hosts may hang on it, as on a hub: each is given all that the machine sends, and may send what it
 * likes. What the loopback has no room for is lost, as on any cable.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { RealClock, Schedule } from "../../engine/sim/clock.ts";
import type { GatewayMachine } from "../../engine/sim/gateway/gateway.ts";
import type { GatewayDevice } from "../../engine/sim/gateway/port.ts";

const HOST = "127.0.0.1";
/** What QEMU gives the first network device of a machine. */
const GUEST_MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
/** Frames on their way to QEMU beyond which a host waits. */
const QUEUED = 256;
const RECEIVE_BUFFER = 1 << 22;

export class Cable {
  /** QEMU's end. */
  readonly #port: number;
  readonly #socket: Socket;
  readonly #hosts = new Map<GatewayDevice, () => void>();
  /** Frames that the machine sent, and that were sent to it. */
  readonly counters = { fromMachine: 0, toMachine: 0 };

  static async open(): Promise<Cable> {
    const socket = await bound();
    // It stays bound until QEMU wants it, which is soon.
    const other = await bound();
    const { port } = other.address();
    other.close();
    await once(other, "close");
    return new Cable(socket, port);
  }

  private constructor(socket: Socket, port: number) {
    this.#socket = socket;
    this.#port = port;
    socket.setRecvBufferSize(RECEIVE_BUFFER);
    // QEMU is not there yet, or no more.
    socket.on("error", () => undefined);
    socket.on("message", (frame) => {
      this.counters.fromMachine++;
      for (const [host, came] of this.#hosts) {
        host.wire?.frame(frame);
        came();
      }
    });
  }

  /** Options of QEMU: a network device on this cable. */
  get machine(): string[] {
    const { port } = this.#socket.address();
    const end = (side: string, at: number): string => `${side}.type=inet,${side}.host=${HOST},${side}.port=${at}`;
    return [
      ...["-netdev", `dgram,id=net0,${end("local", this.#port)},${end("remote", port)}`],
      ...["-device", "virtio-net-device,netdev=net0"],
    ];
  }

  /** An end of the cable that a host may plug itself into. @param came called after each frame of the machine's */
  plug(came: () => void = () => undefined): GatewayDevice {
    const cable = this.#socket;
    const host: GatewayDevice = {
      mac: GUEST_MAC,
      wire: undefined,
      linkUp: true,
      get full() {
        return cable.getSendQueueCount() >= QUEUED;
      },
      inject: (frame) => {
        this.inject(Buffer.from(frame));
        return true;
      },
    };
    this.#hosts.set(host, came);
    return host;
  }

  /** Send the machine a frame, which must not be changed any more. */
  inject(frame: Uint8Array): void {
    this.counters.toMachine++;
    this.#socket.send(frame, this.#port, HOST);
  }

  async close(): Promise<void> {
    this.#hosts.clear();
    this.#socket.close();
    await once(this.#socket, "close");
  }
}

/** What a gateway needs of a machine, for one that is on the cable: turns of its own in this process, in real time. */
export function onCable(cable: Cable): GatewayMachine & { stop(): void } {
  const clock = new RealClock();
  const schedule = new Schedule();
  let timer: NodeJS.Timeout | undefined;
  let soon: NodeJS.Immediate | undefined;
  let stopped = false;
  const turn = (): void => {
    soon = undefined;
    if (stopped) return;
    schedule.run(clock.nowUs());
    const next = schedule.next();
    clearTimeout(timer);
    if (next === Infinity) return;
    const ms = (next - clock.nowUs()) / 1000;
    if (ms <= 0) kick();
    else timer = setTimeout(turn, Math.ceil(ms));
  };
  const kick = (): void => {
    if (!stopped) soon ??= setImmediate(turn);
  };
  return {
    clock,
    net: cable.plug(kick),
    attach: (fire) => schedule.add(fire),
    kick,
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      clearImmediate(soon);
    },
  };
}

async function bound(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, HOST);
  await once(socket, "listening");
  return socket;
}
