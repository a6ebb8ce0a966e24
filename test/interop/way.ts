/** The way from clients of other make to a hive on seL4: a running `cohsh 9p` with a tap in front of it. */
import { join } from "node:path";
import type { Checks } from "../../scripts/lib/checks.ts";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import type { Role } from "../../services/roles/roles.ts";
import { RunningCohsh, testHome } from "../cohsh/cohsh-process.ts";
import type { DoorHive } from "../integration/door-hive.ts";
import type { NineClient } from "../integration/nine-client.ts";
import { linesOf } from "./diod-tools.ts";
import type { Recorder } from "./recorder.ts";
import { Tap } from "./tap.ts";

const PATIENCE_MS = 10_000;

let ways = 0;

export interface DoorScene {
  readonly checks: Checks;
  readonly hive: DoorHive;
  /** Our own client, the Queen, on a connection that goes past the relay. */
  readonly ours: NineClient;
  /** For sockets. */
  readonly folder: string;
  readonly recorder: Recorder;
}

export class Way {
  readonly tap: Tap;
  readonly #relay: RunningCohsh;
  readonly #home: ReturnType<typeof testHome>;

  /** @param where of the tap, as {@link Tap.open} takes it */
  static async open({ hive, folder, recorder }: DoorScene, role: Role, where: string | number): Promise<Way> {
    const path = join(folder, `relay-${++ways}`);
    const home = testHome();
    const words = ["--host", "127.0.0.1", "--port", String(hive.port), "--credentials", credentialsPath];
    const relay = RunningCohsh.piped(["9p", "--listen", `unix:${path}`, "--role", role, ...words], home.env);
    // Whatever ends this process ends the relay: it waits for nothing but a signal.
    const kill = (): void => relay.kill();
    process.once("exit", kill);
    void relay.exited.then(() => process.off("exit", kill));
    try {
      await relay.see(`# 9P2000.L as ${role} at unix:${path}`);
      return new Way(relay, home, await Tap.open(where, { to: path, tap: recorder.tap() }));
    } catch (error) {
      relay.kill();
      throw error;
    }
  }

  private constructor(relay: RunningCohsh, home: ReturnType<typeof testHome>, tap: Tap) {
    this.#relay = relay;
    this.#home = home;
    this.tap = tap;
  }

  /** What the relay complained of. */
  get complaints(): readonly string[] {
    return linesOf(this.#relay.output).filter((line) => !line.startsWith("#"));
  }

  async close(): Promise<void> {
    await this.tap.close();
    this.#relay.child.kill("SIGTERM");
    await this.#relay.exited;
    this.#home.remove();
  }
}

/** Look again and again until it is so. */
export async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${PATIENCE_MS} ms`);
    await new Promise((settle) => setTimeout(settle, 20));
  }
}
