/** A hive with a GPU bridge of the real kind at the other end of an export, without the wire between. */
import { Bridge } from "../../../gpu-bridge/bridge.ts";
import type { GpuInfo } from "../../../gpu-bridge/backend.ts";
import { RemoteService } from "../../../services/ninedoor/remote/service.ts";
import { Session } from "../../../services/secure9p/session.ts";
import type { Tree } from "../../../services/secure9p/tree.ts";
import type { HiveSession } from "../../../services/hive/session.ts";
import { bytesOf, FakeBackend, type FakeExecutor, hashed, INFO, ManualClock } from "../../gpu-bridge/support.ts";
import { nodeBytes } from "../support/ports.ts";
import { carry } from "../ninedoor/remote/support.ts";
import type { Visitor } from "../ninedoor/support.ts";
import { TestHive } from "./support.ts";

export const GPUS: readonly GpuInfo[] = [INFO, { ...INFO, id: "GPU-1", memoryMb: 2048 }];

/** A bridge's process, whoever it is connected to. */
export class FakeBridge {
  readonly clock = new ManualClock();
  readonly backend: FakeBackend;
  readonly said: string[] = [];
  bridge!: Bridge;

  constructor(gpus: readonly GpuInfo[]) {
    this.backend = new FakeBackend(gpus);
  }

  static async start(gpus = GPUS): Promise<FakeBridge> {
    const made = new FakeBridge(gpus);
    const { backend, clock, said } = made;
    made.bridge = await Bridge.open(backend, { clock, said: (line) => said.push(line) });
    return made;
  }

  executor(at = 0): FakeExecutor {
    return this.backend.executors[at]!;
  }

  /** Lines of a GPU's ring, e.g. of all leases. */
  leases(at = 0): string[] {
    return [...this.bridge.gpus[at]!.leases].map(({ worker, ttlS }) => `${worker} ${ttlS}`);
  }
}

export class GpuHive extends TestHive {
  /** Whether what crosses to the bridge stays on its way. */
  cut = false;
  #session: Session | undefined;
  #service: RemoteService | undefined;
  #login: HiveSession | undefined;
  #bridge: FakeBridge | undefined;
  readonly queen: Visitor;

  constructor(setup?: ConstructorParameters<typeof TestHive>[0]) {
    super(setup);
    this.around = () => this.#carry();
    this.queen = this.visit(this.operator());
  }

  static async with(bridge: FakeBridge, setup?: ConstructorParameters<typeof TestHive>[0]): Promise<GpuHive> {
    const hive = new GpuHive(setup);
    hive.dial(bridge);
    await hive.settle();
    return hive;
  }

  /** Let a bridge dial in. */
  dial(bridge: FakeBridge, tree: Tree = bridge.bridge.tree): void {
    this.#bridge = bridge;
    this.#login = this.login("service", this.ticket("service", { subject: "gpu-bridge" }));
    const service = this.#login.export9p("gpu-bridge");
    if (!(service instanceof RemoteService)) throw new Error(`not exported: ${service.code}`);
    this.#service = service;
    this.#session = new Session({ tree, bytes: nodeBytes, fids: 512, tags: 256 });
    this.#carry();
  }

  /** The connection is over. */
  hangUp(): void {
    this.#session?.close();
    this.#session = undefined;
    this.#service = undefined;
    this.#login?.close();
  }

  /** Let what runs in promises run, and time pass at both ends. */
  async settle(ms = 0): Promise<void> {
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      this.pass(i === 0 ? ms : 0);
    }
  }

  override pass(ms: number): void {
    super.pass(ms);
    this.#bridge?.clock.pass(ms);
    super.pass(0);
  }

  /** Write a line to `/queen/ctl`. @returns "" or why it is refused, or `…` */
  order(command: object): string {
    return this.queen.echo(`${JSON.stringify(command)}\n`, "/queen/ctl").replace(/^\d+$/, "");
  }

  spawn(lease: object = {}, more: object = {}): string {
    const whole = { gpu_id: "GPU-0", mem_mb: 512, streams: 2, ttl_s: 60, priority: 5, ...lease };
    return this.order({ spawn: "gpu", lease: whole, ...more });
  }

  /** A login of that worker, as somebody with its ticket has it. */
  lessee(worker: string): Visitor {
    return this.visit(this.login("worker-gpu", this.ticket("worker-gpu", { subject: worker })));
  }

  /** Lines of the audit log of that subsystem. */
  told(subsystem: string): string[] {
    const head = `${subsystem}: `;
    return this.log().flatMap((line) => (line.startsWith(head) ? [line.slice(head.length)] : []));
  }

  #carry(): boolean {
    const session = this.#session;
    const service = this.#service;
    return session !== undefined && service !== undefined && !this.cut && carry(service, session);
  }
}

/** A job's line that adds two vectors, given inline. */
export function vadd(job: string, a: readonly number[], b: readonly number[], more: object = {}): string {
  const input = bytesOf([...a, ...b]);
  return JSON.stringify({
    job,
    kernel: "vadd",
    params: { n: a.length },
    bytes_hash: hashed(input),
    payload_b64: Buffer.from(input).toString("base64"),
    outputs: ["inline"],
    timeout_ms: 5000,
    ...more,
  });
}
