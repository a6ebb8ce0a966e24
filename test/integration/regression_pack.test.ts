import { expect } from "chai";
import { readdirSync, readFileSync } from "node:fs";
import { TextOutput } from "../../cohsh/output.ts";
import { SHELL_PROMPT } from "../../cohsh/repl.ts";
import { parseScript } from "../../cohsh/script/parse.ts";
import { Recorder } from "../../cohsh/script/recorder.ts";
import { describeAnswers, runScript } from "../../cohsh/script/run.ts";
import { Shell } from "../../cohsh/shell.ts";
import { makeWay, type Way, type WayOptions } from "../../cohsh/transports/make.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { inSimulator, type MachineKind, onQemu } from "./listening-hive.ts";
import { openTcpHive } from "../cohsh/transports/tcp-hive.ts";
import { needsQemu } from "./qemu-image.ts";
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

  for (const file of [REGRESSION, ...scripts.filter((name) => name !== REGRESSION)]) {
    it(`goes as it expects in the shell's own process: ${file}`, async () => {
      expect((await reference(file)).join("\n")).to.not.match(/cohesix-ticket-[0-9a-f]{8}/);
    });

    it(`says the same in the simulator: ${file}`, async () => {
      await compare(file, { transport: "sim" });
    });

    it(`says the same over TCP in the simulator: ${file}`, async () => {
      await compareOverTcp(file, inSimulator);
    });

    it(`says the same over TCP, through a hive's own door: ${file}`, async () => {
      const hive = await openTcpHive();
      try {
        await compare(file, { transport: hive.transport(), keys: hive.keys });
      } finally {
        await hive.close();
      }
    });
  }

  describe("on seL4 in QEMU", function () {
    needsQemu(this);
    this.timeout(240_000);

    for (const file of scripts) {
      it(`says the same: ${file}`, async () => {
        await compare(file, { transport: "qemu", net: "none" });
      });

      it(`says the same over TCP: ${file}`, async () => {
        await compareOverTcp(file, onQemu);
      });
    }
  });
});
