/**
 * A hive with a real GPU bridge that dials in over TCP, by a way that can be cut, and those who use them. What a test leaves behind,
 * {@link GpuSite.tidy} takes away.
 */
import { expect } from "chai";
import { Keyring } from "../../cohsh/tickets/keyring.ts";
import { loadCredentials } from "../../cohsh/tickets/load.ts";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import type { Role } from "../../services/roles/roles.ts";
import { type RunningCohsh, testHome } from "../cohsh/cohsh-process.ts";
import { HiveReader } from "../cohsh/export/reader.ts";
import { runPacedBridge, runRealBridge } from "../gpu-bridge/bridge-process.ts";
import { CuttableWay } from "./cuttable-way.ts";
import { Follower } from "./follower.ts";
import type { ListeningHive, MachineKind } from "./listening-hive.ts";
import { NineClient } from "./nine-client.ts";

const PATIENCE_MS = 60_000;
const LOOK_MS = 20;
/** Of a worker, so that a slow machine does not use it up. */
const BUDGET = { ttl_s: 3600, ops: 100_000, ticks: 100_000 };
const UP = /\nservice gpu-bridge up /;

/** `paced` is a mock that takes its time over the jobs of `pace.ts`. */
export type SiteBackend = "cpu" | "mock" | "paced";

export interface LeaseTerms {
  readonly gpu_id?: string;
  readonly mem_mb?: number;
  readonly streams?: number;
  readonly ttl_s?: number;
  readonly priority?: number;
}

export class GpuSite {
  hive: ListeningHive;
  /** By which the bridge comes to the hive. */
  readonly way: CuttableWay;
  /** A login of the Queen's that is there all the time, the bridge mounted. */
  queen!: NineClient;
  console!: HiveReader;
  readonly #kind: MachineKind;
  readonly #home = testHome();
  readonly #keys = new Keyring({
    credentials: () => loadCredentials(credentialsPath),
    nowMs: () => Date.now(),
    tokenIsQueen: false,
  });
  readonly #bridges: RunningCohsh[] = [];
  #clients: { close(): void }[] = [];

  /** A hive that has its bridge. Whoever asks ends it. */
  static async open(kind: MachineKind, backend: SiteBackend): Promise<GpuSite> {
    const hive = await kind.start();
    const site = new GpuSite(kind, hive, await CuttableWay.open(hive.port));
    try {
      await site.#enter();
      await site.start(backend);
      await site.#mount();
      return site;
    } catch (error) {
      await site.end();
      throw error;
    }
  }

  private constructor(kind: MachineKind, hive: ListeningHive, way: CuttableWay) {
    this.#kind = kind;
    this.hive = hive;
    this.way = way;
  }

  get bridge(): RunningCohsh {
    return this.#bridges.at(-1)!;
  }

  /** Start a bridge, and wait until the hive has it. */
  async start(backend: SiteBackend): Promise<void> {
    const name = backend === "cpu" ? "cpu" : "mock";
    const args = ["serve", "--backend", name, "--hive", `127.0.0.1:${this.way.port}`, "--credentials", credentialsPath];
    const bridge = (backend === "paced" ? runPacedBridge : runRealBridge)(args, this.#home.env);
    this.#bridges.push(bridge);
    await bridge.see("# a Queen sees them after: mount gpu-bridge /gpu\n");
    await this.up();
  }

  /** Wait until the hive has its bridge (again). */
  up(): Promise<string> {
    return this.see("/proc/9p/services", UP);
  }

  /** Wait until the hive knows that it has none. */
  away(): Promise<string> {
    return this.see("/proc/9p/services", /^(?![^]*\nservice gpu-bridge up )/);
  }

  /** End the bridge. @param signal SIGKILL ends it in the middle of whatever it does */
  async stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.bridge.child.kill(signal);
    await this.bridge.exited;
    await this.away();
  }

  /** Another hive in the place of this one; the bridge stays and finds it. */
  async reboot(): Promise<void> {
    this.#leave();
    await this.hive.end();
    this.hive = await this.#kind.start();
    this.way.target = this.hive.port;
    // A worker's ticket must not be older than the worker, and ids begin anew.
    this.#keys.renew();
    await this.#enter();
    await this.up();
    await this.#mount();
  }

  /** A login of a worker's, as somebody with its ticket has it. */
  lessee(worker: string): Promise<NineClient> {
    return this.#nine("worker-gpu", worker);
  }

  /** What the console answers to a spawn. */
  async spawn(terms: LeaseTerms = {}): Promise<string> {
    const lease = { gpu_id: "GPU-0", mem_mb: 64, streams: 2, ttl_s: 600, priority: 1, ...terms };
    const [answer = ""] = await this.console.say(`SPAWN ${JSON.stringify({ spawn: "gpu", lease, budget: BUDGET })}`);
    return answer;
  }

  /** @returns the id of a worker that has its lease */
  async spawned(terms: LeaseTerms = {}): Promise<string> {
    return idIn(await this.spawn(terms));
  }

  async heartbeat(): Promise<string> {
    const [answer = ""] = await this.console.say('SPAWN {"spawn":"heartbeat"}');
    return idIn(answer);
  }

  async kill(worker: string): Promise<void> {
    expect(await this.console.say(`KILL ${worker}`)).to.deep.equal([`OK KILL id=${worker}`]);
  }

  /** Hand a worker a job. @returns "" or why not */
  async give(worker: string, { line }: { readonly line: string }): Promise<string> {
    return (await this.queen.echo(`job ${line}\n`, `/worker/${worker}/ctl`)).replace(/^\d+$/, "");
  }

  /** Hand it one that it has to take. */
  async given(worker: string, job: { readonly line: string }): Promise<void> {
    expect(await this.give(worker, job)).to.equal("");
  }

  follow(path: string): Promise<Follower> {
    return Follower.open(this.queen, `${path}.follow`);
  }

  telemetry(worker: string): Promise<Follower> {
    return this.follow(`/worker/${worker}/telemetry`);
  }

  results(worker: string): Promise<Follower> {
    return this.follow(`/worker/${worker}/result`);
  }

  /** Look at a file until it is as it shall be. @returns it */
  async see(path: string, pattern: RegExp): Promise<string> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const text = await this.queen.cat(path);
      if (pattern.test(text)) return text;
      if (performance.now() > deadline) throw new Error(`${path}: no ${String(pattern)} in ${text}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Lines of the audit log of that subsystem, without their times. */
  async log(subsystem: string): Promise<string[]> {
    const text = await this.queen.cat("/log/queen.log");
    const lines = text.replace(/^\[ *\d+\.\d{6}\] /gm, "").split("\n");
    const head = `${subsystem}: `;
    return lines.flatMap((line) => (line.startsWith(head) ? [line.slice(head.length)] : []));
  }

  /** That the hive answers on its own line, to its clients, and that workers without a GPU go on. */
  async healthy(heart: Follower): Promise<void> {
    const beats = heart.lines.length;
    this.hive.type("ping\r");
    await this.hive.expect(/OK PING reply=pong\r?\nPONG\r?\n/, PATIENCE_MS);
    expect((await this.console.say("LS /worker"))[0]).to.match(/^OK LS path=\/worker entries=\d+$/);
    await heart.until(() => heart.lines.length > beats, "heartbeat");
  }

  /** End all workers, and the logins of all but the Queen. */
  async tidy(): Promise<void> {
    for (const client of this.#clients.splice(2)) client.close();
    const workers = await this.queen.names("/worker");
    for (const worker of workers) await this.kill(worker);
    // A bridge that is there has been told.
    await this.see("/proc/9p/gpu", /^(?![^]*\nlease )/);
    // What followed what is over goes with its login.
    this.#leave();
    await this.#enter();
    await this.#mount();
  }

  async end(): Promise<void> {
    this.#leave();
    for (const bridge of this.#bridges) {
      bridge.kill();
      await bridge.exited;
    }
    await this.way.close();
    this.#home.remove();
    await this.hive.end();
  }

  async #enter(): Promise<void> {
    this.queen = await this.#nine("queen", undefined);
    this.console = this.#keep(await HiveReader.queen(this.hive.port, this.#keys));
  }

  /** A hive that never had a bridge knows of none that could be mounted. */
  async #mount(): Promise<void> {
    expect(await this.queen.echo('{"mount":{"service":"gpu-bridge","at":"/gpu"}}\n', "/queen/ctl")).to.match(/^\d+$/);
    expect(await this.console.say("MOUNT gpu-bridge /gpu")).to.deep.equal(["OK MOUNT service=gpu-bridge at=/gpu"]);
  }

  #leave(): void {
    for (const client of this.#clients.splice(0)) client.close();
  }

  async #nine(role: Role, subject: string | undefined): Promise<NineClient> {
    const token = this.#keys.token();
    const ticket = this.#keys.find(role, subject);
    if ("missing" in token || "missing" in ticket) throw new Error("no credentials");
    const { port } = this.hive;
    return this.#keep(await NineClient.open({ port, token: token.credential, role, ticket: ticket.credential }));
  }

  #keep<T extends { close(): void }>(client: T): T {
    this.#clients.push(client);
    return client;
  }
}

function idIn(answer: string): string {
  const id = /^OK SPAWN id=(worker-\d+)$/.exec(answer)?.[1];
  if (id === undefined) throw new Error(answer);
  return id;
}
