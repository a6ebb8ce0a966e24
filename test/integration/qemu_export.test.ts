import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Keyring } from "../../cohsh/tickets/keyring.ts";
import { loadCredentials } from "../../cohsh/tickets/load.ts";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import type { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { RunningCohsh, testHome } from "../cohsh/cohsh-process.ts";
import { HiveReader, sha256 } from "../cohsh/export/reader.ts";
import { listeningHive } from "./listening-hive.ts";
import { needsQemu } from "./qemu-image.ts";

const BIG = 1_000_000;
/** What the interface gives a provider, and what a slow machine may take beside it. */
const PROVIDER_MS = 5000;
const SLACK_MS = 2500;

describe("a folder that is exported to a hive on seL4 in QEMU", function () {
  needsQemu(this);
  this.timeout(180_000);
  const home = testHome();
  const keys = new Keyring({
    credentials: () => loadCredentials(credentialsPath),
    nowMs: () => Date.now(),
    tokenIsQueen: false,
  });
  const big = randomBytes(BIG);
  let hive: HiveProcess;
  let port: number;
  let folder: string;
  const exporters: RunningCohsh[] = [];
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "qemu-export-"));
    mkdirSync(join(folder, "sub"));
    writeFileSync(join(folder, "notes"), "one\ntwo\n");
    writeFileSync(join(folder, "sub", "big"), big);
    symlinkSync("/etc/passwd", join(folder, "out"));
    ({ hive, port } = await listeningHive());
  });
  after(async () => {
    for (const exporter of exporters) {
      exporter.kill();
      await exporter.exited;
    }
    home.remove();
    rmSync(folder, { recursive: true });
    expect(await hive.end(), hive.messages).to.equal(0);
  });

  async function exporting(): Promise<RunningCohsh> {
    const args = ["export", folder, "--as", "files", "--port", String(port), "--credentials", credentialsPath];
    const exporter = RunningCohsh.piped(args, home.env);
    exporters.push(exporter);
    await exporter.see("a Queen sees it after: mount files /mnt");
    return exporter;
  }

  /** Ask until the answer is as it shall be soon. @returns it */
  async function see(reader: HiveReader, line: string, pattern: RegExp, patienceMs = SLACK_MS): Promise<string> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const text = (await reader.say(line)).join("\n");
      if (pattern.test(text)) return text;
      if (performance.now() > deadline) throw new Error(`${line}: no ${String(pattern)} in ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The exporter was asked for its tree; the hive has it when the answer has come, and then nothing else is under way. */
  const up = (reader: HiveReader): Promise<string> =>
    see(reader, "CAT /proc/9p/services", /\nservice files up session=\d+ in_flight=0 waiting=0 fids=1 /);

  async function mounted(): Promise<HiveReader> {
    const reader = await HiveReader.queen(port, keys);
    await up(reader);
    await reader.mount("files", "/mnt");
    return reader;
  }

  /** What went wrong, and in how many milliseconds. */
  async function failure(work: Promise<unknown>): Promise<{ why: string; ms: number }> {
    const start = performance.now();
    const why = await work.then(
      () => "nothing",
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    return { why, ms: performance.now() - start };
  }

  it("is listed and read by lines and by 9P, to the last byte, and not left", async () => {
    await exporting();
    const reader = await mounted();
    expect(await reader.say("LS /mnt")).to.deep.equal(["OK LS path=/mnt entries=2", "notes", "sub", "END"]);
    expect(await reader.say("CAT /mnt/notes")).to.deep.equal([
      "OK CAT path=/mnt/notes data=one|two",
      "one",
      "two",
      "END",
    ]);
    expect(await reader.say("CAT /mnt/out")).to.deep.equal([
      "ERR CAT reason=policy detail=not-found path=/mnt/out error=ENOENT",
    ]);
    expect(await reader.say("ECHO /mnt/notes x")).to.deep.equal([
      "ERR ECHO reason=policy detail=denied path=/mnt/notes error=EPERM",
    ]);
    await up(reader);
    const nine = await reader.secure9p();
    const start = performance.now();
    const read = await nine.cat(["mnt", "sub", "big"]);
    const seconds = (performance.now() - start) / 1000;
    console.log(`      ${BIG} bytes through the hive in ${seconds.toFixed(1)} s`);
    expect(sha256(read)).to.equal(sha256(big));
    nine.close();
  });

  it("is gone at once when its exporter is killed in the middle, and there again with the next", async () => {
    const [before] = exporters.splice(0);
    const reader = await mounted();
    const lines = await mounted();
    const nine = await reader.secure9p();
    const fid = await nine.open(["mnt", "sub", "big"]);
    const reads = Array.from({ length: 8 }, (_, i) => failure(nine.read(fid, i * 8000)));
    before!.child.kill("SIGKILL");
    for (const { why, ms } of await Promise.all(reads)) {
      expect(why).to.be.oneOf(["nothing", "ESHUTDOWN"]);
      expect(ms).to.be.lessThan(SLACK_MS);
    }
    await before!.exited;
    expect((await failure(nine.read(fid, 0))).why).to.equal("ESHUTDOWN");
    expect((await failure(nine.open(["mnt"]))).why).to.equal("EBUSY");
    expect(await lines.say("CAT /mnt/notes")).to.deep.equal([
      "ERR CAT reason=busy detail=busy path=/mnt/notes error=EBUSY",
    ]);
    const log = (await lines.say("LOG")).join("\n");
    expect(log).to.match(/export: exported service=files session=\d+\n/);
    expect(log).to.match(/export: gone service=files session=\d+ why=(left|reset)/);
    await exporting();
    await up(lines);
    // The mounts were there all the time.
    expect(sha256(await nine.cat(["mnt", "sub", "big"]))).to.equal(sha256(big));
    expect((await lines.say("CAT /mnt/notes"))[0]).to.equal("OK CAT path=/mnt/notes data=one|two");
    nine.close();
    lines.close();
  });

  it("is an error within the time of a provider while its exporter hangs, and the hive goes on", async () => {
    const [exporter] = exporters;
    const reader = await mounted();
    const lines = await mounted();
    const nine = await reader.secure9p();
    const fid = await nine.open(["mnt", "sub", "big"]);
    expect(await nine.read(fid, 0)).to.have.length(8181);
    exporter!.child.kill("SIGSTOP");
    const reads = Array.from({ length: 4 }, (_, i) => failure(nine.read(fid, i * 8000)));
    let worst = 0;
    for (let i = 0; i < 40; i++) {
      const start = performance.now();
      expect(await lines.say("LS /log")).to.have.length(6);
      worst = Math.max(worst, performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    console.log(`      a listing took at most ${worst.toFixed(0)} ms meanwhile`);
    for (const { why, ms } of await Promise.all(reads)) {
      expect(why).to.equal("ETIMEDOUT");
      expect(ms).to.be.within(PROVIDER_MS - 500, PROVIDER_MS + SLACK_MS);
    }
    // Nor does it answer that they were given up, so it is left.
    await see(lines, "LOG", /why=it did not answer in time/, 2 * PROVIDER_MS);
    const mark = exporter!.output.length;
    exporter!.child.kill("SIGCONT");
    await exporter!.see("has files again", mark);
    await up(lines);
    expect((await failure(nine.read(fid, 0))).why).to.equal("ESHUTDOWN");
    expect(sha256(await nine.cat(["mnt", "sub", "big"]))).to.equal(sha256(big));
    const services = await up(lines);
    expect(services).to.match(/\nexported 3\ngone 2\n/);
    expect(services).to.match(/\ntimed_out 4\n/);
    nine.close();
    lines.close();
  });
});
