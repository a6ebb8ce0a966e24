import { expect } from "chai";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TextOutput } from "../../cohsh/output.ts";
import { SHELL_PROMPT } from "../../cohsh/repl.ts";
import { parseScript } from "../../cohsh/script/parse.ts";
import { Recorder } from "../../cohsh/script/recorder.ts";
import { describeAnswers, runScript } from "../../cohsh/script/run.ts";
import { Shell } from "../../cohsh/shell.ts";
import { createCredentials } from "../../cohsh/tickets/credentials.ts";
import { Keyring } from "../../cohsh/tickets/keyring.ts";
import { makeWay, type Way, type WayOptions } from "../../cohsh/transports/make.ts";
import { QemuTransport } from "../../cohsh/transports/qemu.ts";
import { SimTransport } from "../../cohsh/transports/sim.ts";
import { TcpTransport } from "../../cohsh/transports/tcp.ts";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { manifestPath } from "../../scripts/lib/manifest.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { buildVmBundle } from "../../scripts/lib/vm-bundle.ts";
import { inSimulator, listeningHive, type MachineKind, onQemu } from "./listening-hive.ts";
import { openTcpHive } from "../cohsh/transports/tcp-hive.ts";
import { ImageWorkshop, needsQemu } from "./qemu-image.ts";
import { comparableShellTranscript } from "./shell-transcript.ts";

const FOLDER = inRepository("test", "cohsh", "scripts");
const REGRESSION = "regression.coh";
const ANSWER_MS = 20_000;
const OPEN_MS = 120_000;

/** Run a script on a hive of its own. @returns what was shown. @throws Error if it fails. */
async function run(file: string, way: WayOptions | Way): Promise<string[]> {
  const { steps, mistakes } = parseScript(readFileSync(`${FOLDER}/${file}`));
  expect(mistakes).to.deep.equal([]);
  const shown: string[] = [];
  const recorder = new Recorder(new TextOutput((line) => shown.push(line), SHELL_PROMPT));
  const { transport, keys } = "keys" in way ? way : await makeWay(way);
  const shell = new Shell(transport, { timeoutMs: ANSWER_MS, follow: false, output: recorder, keys });
  const never = new AbortController().signal;
  await shell.open(AbortSignal.timeout(OPEN_MS));
  try {
    const failure = await runScript(shell, recorder, steps, never);
    if (failure !== undefined) {
      const { line, command, reason } = failure;
      throw new Error([`line ${line} (${command}): ${reason}`, ...describeAnswers(recorder.answers)].join("\n"));
    }
  } finally {
    await shell.close();
  }
  return shown;
}

describe("the regression pack", function () {
  this.timeout(180_000);
  const scripts = readdirSync(FOLDER).filter((name) => name.endsWith(".coh"));
  const references = new Map<string, Promise<string[]>>();
  /** What a script shows in the shell's own process. */
  const reference = (file: string): Promise<string[]> => {
    const known = references.get(file) ?? run(file, { transport: "mock" });
    references.set(file, known);
    return known;
  };
  const compare = async (file: string, way: WayOptions | Way): Promise<void> => {
    expect(comparableShellTranscript(await run(file, way))).to.deep.equal(
      comparableShellTranscript(await reference(file)),
    );
  };

  /** At the port of a hive's machine. */
  const compareOverTcp = async (file: string, kind: Pick<MachineKind, "start">): Promise<void> => {
    const hive = await kind.start();
    try {
      await compare(file, { transport: "tcp", port: hive.port });
    } finally {
      await hive.end();
    }
  };

  it("shows no credential", () => {
    const texts = scripts.map((name) => readFileSync(`${FOLDER}/${name}`, "utf8"));
    expect(texts.join("")).to.not.match(/cohesix-ticket-[0-9a-f]{8}/);
  });

  /** Each way is a hive of its own, and scripts mostly wait: they run at once. */
  const together = (ways: Readonly<Record<string, () => Promise<void>>>): void => {
    const runs = new Map<string, Promise<void>>();
    before(() => {
      for (const [title, start] of Object.entries(ways)) {
        const run = start();
        // Whether it fails is its own test's business.
        run.catch(() => undefined);
        runs.set(title, run);
      }
    });
    for (const title of Object.keys(ways)) it(title, () => runs.get(title));
  };

  const forEach = (run: (file: string) => Promise<void>): Record<string, () => Promise<void>> =>
    Object.fromEntries(scripts.map((file) => [`says the same: ${file}`, () => run(file)]));

  for (const file of [REGRESSION, ...scripts.filter((name) => name !== REGRESSION)]) {
    describe(file, () => {
      together({
        "goes as it expects in the shell's own process": async () => {
          expect((await reference(file)).join("\n")).to.not.match(/cohesix-ticket-[0-9a-f]{8}/);
        },
        "says the same in the simulator": () => compare(file, { transport: "sim" }),
        "says the same over TCP in the simulator": () => compareOverTcp(file, inSimulator),
        "says the same over TCP, through a hive's own door": async () => {
          const hive = await openTcpHive();
          try {
            await compare(file, { transport: hive.transport(), keys: hive.keys });
          } finally {
            await hive.close();
          }
        },
      });
    });
  }

  describe("on the serial line of a hive built without the network", () => {
    const credentials = createCredentials((length) => randomBytes(length));
    let out: string;
    before(async () => {
      out = mkdtempSync(join(tmpdir(), "no-net-"));
      const entry = inRepository("services", "main.ts");
      await buildVmBundle({ entry, manifest: manifestPath, out: join(out, "vm"), net: false });
    });
    after(() => rmSync(out, { recursive: true }));

    together(
      forEach(async (file) => {
        const keys = new Keyring({ credentials: () => credentials, nowMs: () => Date.now() });
        await compare(file, { transport: new SimTransport(credentials, out), keys });
      }),
    );
  });

  describe("on seL4 in QEMU", function () {
    needsQemu(this);
    this.timeout(240_000);

    describe("without the network", () => {
      let workshop: ImageWorkshop;
      let image: string;
      before(() => {
        workshop = new ImageWorkshop();
        image = workshop.buildWith("no-net", "--no-net");
      });
      after(() => workshop.remove());

      together(
        forEach(async (file) => {
          const { keys } = await makeWay({ transport: "qemu" });
          // The machine has the device; nothing in the image drives it.
          await compare(file, { transport: new QemuTransport({ net: "user", image }), keys });
        }),
      );

      it("says what it has not, and works on", async () => {
        const hive = new HiveProcess(["--image", image, "--net", "user", "--port", "none"]);
        try {
          await hive.expect(/PONG 1\r?\n/, OPEN_MS);
          expect(hive.output).to.match(/\] net: left out of this build\r?\n/);
          hive.type("netstats\rbi\rcaps\rping\r");
          await hive.expect(/\nERR NETSTATS reason=busy detail=no network\r?\n/, ANSWER_MS);
          await hive.expect(
            /\nOK BOOTINFO\r?\n[^]*?\ndevice net none: left out of this build\r?\n[^]*?\nEND\r?\n/,
            ANSWER_MS,
          );
          await hive.expect(/\nOK CAPS\r?\n[^]*?\nirq-handlers count=\d+\r?\n[^]*?\nEND\r?\n/, ANSWER_MS);
          await hive.expect(/\nPONG\r?\n/, ANSWER_MS);
        } finally {
          expect(await hive.end(), hive.messages).to.equal(0);
        }
      });

      it("leads who comes over TCP to what there is instead", async () => {
        const { hive, port } = await listeningHive(image);
        try {
          const transport = new TcpTransport({
            host: "127.0.0.1",
            port,
            token: () => ({ credential: "any" }),
            patience: { attempt: 1000 },
          });
          const sink = { reply: () => undefined, log: () => undefined, ended: () => undefined };
          const failed = await transport.open(sink, AbortSignal.timeout(3000)).then(
            () => "it is admitted",
            (error: unknown) => (error instanceof Error ? error.message : ""),
          );
          expect(failed).to.equal(
            `the hive at 127.0.0.1:${port} did not answer: it may be starting, be built without a network, or be something else;` +
              " without a network there are --serial PATH, --transport qemu, sim and mock",
          );
        } finally {
          expect(await hive.end(), hive.messages).to.equal(0);
        }
      });
    });

    for (const file of scripts) {
      describe(file, () => {
        together({
          "says the same": () => compare(file, { transport: "qemu", net: "none" }),
          "says the same over TCP": () => compareOverTcp(file, onQemu),
        });
      });
    }
  });
});
