/** Hives whose console listens on a free port of the loopback, on each kind of machine. */
import { freePort } from "../../scripts/lib/free-port.ts";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { hiveImage, needsQemu } from "./qemu-image.ts";
import { type Breakage, SimulatedHive } from "./simulated-hive.ts";

const patienceMs = 60_000;

/** A hive that is up. */
export interface ListeningHive {
  readonly port: number;
  /** What its machine's own line has printed. */
  readonly output: string;
  /** Type on that line. */
  type(text: string): void;
  /**
   * Wait for output of that line that was not waited for before.
   * @returns what came up to and with it. @throws Error at the time-out or when the machine is gone.
   */
  expect(pattern: RegExp, withinMs: number): Promise<string>;
  /** @throws Error if the machine had not run until then. */
  end(): Promise<void>;
}

/** One whose network can fail. */
export interface FailingHive extends ListeningHive {
  /** Pull the network's plug, or put it back. */
  setLink(up: boolean): void | Promise<void>;
  /** Let the network device break, so that its driver has to set it up anew. */
  breakNetwork(how?: Breakage): void | Promise<void>;
}

/** What a hive can be on: a suite over it runs on all of them. */
export interface MachineKind<Hive extends ListeningHive = ListeningHive> {
  readonly name: string;
  /** In a suite: skip it where there is no such machine. */
  needed(suite: Mocha.Suite): void;
  /** @returns a hive of the built bundle, with the build's credentials. Whoever asks ends it. */
  start(): Promise<Hive>;
}

/** On seL4 in QEMU. @returns the hive, up, and the port. Whoever asks ends it. */
export async function listeningHive(image = hiveImage): Promise<{ readonly hive: HiveProcess; readonly port: number }> {
  const port = await freePort();
  const hive = new HiveProcess(["--image", image, "--net", "user", "--tcp-port", String(port)]);
  try {
    await hive.expect(/PONG 1\r?\n/, patienceMs);
    return { hive, port };
  } catch (error) {
    await hive.end();
    throw error;
  }
}

export const onQemu: MachineKind = {
  name: "on seL4 in QEMU",
  needed: needsQemu,
  start: async () => {
    const { hive, port } = await listeningHive();
    return {
      port,
      get output() {
        return hive.output;
      },
      type: (text) => hive.type(text),
      expect: (pattern, withinMs) => hive.expect(pattern, withinMs),
      end: async () => {
        const status = await hive.end();
        if (status !== 0) throw new Error(`QEMU ended with status ${status}: ${hive.messages}`);
      },
    };
  },
};

export const inSimulator: MachineKind<SimulatedHive> = {
  name: "in the simulator",
  // It is wherever the tests are.
  needed: () => undefined,
  start: () => SimulatedHive.start(),
};
