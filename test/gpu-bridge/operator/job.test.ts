import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type Job, readJob } from "../../../gpu-bridge/jobs/descriptor.ts";
import { type JobLine, makeJob } from "../../../gpu-bridge/operator/job.ts";
import { parseJob } from "../../../gpu-bridge/operator/job-cli.ts";
import { bytesOf, hashed } from "../support.ts";

function made(...args: string[]): JobLine {
  const parsed = parseJob(args);
  if (!("job" in parsed)) throw new Error("complain" in parsed ? parsed.complain : parsed.print);
  return makeJob(parsed.job);
}

function jobOf({ text }: JobLine): Job {
  const read = readJob(text.trimEnd());
  if ("sentence" in read) throw new Error(read.sentence);
  return read.job;
}

function mistake(...args: string[]): string {
  try {
    return made(...args).text;
  } catch (error) {
    return (error as Error).message;
  }
}

const VADD = ["vadd", "--a", "1,2", "--b", "10,-20.5"];

describe("gpu-bridge job", () => {
  let folder: string;
  let file: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "gpu-bridge-job-"));
    file = join(folder, "input");
  });
  after(() => rmSync(folder, { recursive: true }));

  it("makes the line that the documents show", () => {
    const input = bytesOf([1, 2, 10, -20.5]);
    expect(made(...VADD, "--id", "jid-42")).to.deep.equal({
      text:
        `{"job":"jid-42","kernel":"vadd","params":{"n":2},"bytes_hash":"${hashed(input)}",` +
        `"payload_b64":"${Buffer.from(input).toString("base64")}","outputs":["inline"],"timeout_ms":5000}\n`,
      note: undefined,
    });
  });

  it("makes a matmul of a launch, a time-out and a place for its result", () => {
    const shape = ["--m", "2", "--k", "3", "--n", "1", "--a", "1,2,3,4,5,6", "--b", ".5,-1e1,0"];
    const launch = ["--grid", "4,2,1", "--block", "16,16,2", "--timeout-ms", "70", "--out", "blob/3"];
    const input = bytesOf([1, 2, 3, 4, 5, 6, 0.5, -10, 0]);
    expect(jobOf(made("matmul", ...shape, ...launch, "--id", "m"))).to.deep.equal({
      id: "m",
      kernel: { kernel: "matmul", m: 2, k: 3, n: 1 },
      grid: [4, 2, 1],
      block: [16, 16, 2],
      hash: hashed(input),
      input,
      output: 3,
      timeoutMs: 70,
    });
  });

  it("gives each job an id of its own", () => {
    const ids = [made(...VADD), made(...VADD)].map((line) => jobOf(line).id);
    for (const id of ids) expect(id).to.match(/^jid-[0-9a-f]{8}$/);
    expect(ids[0]).to.not.equal(ids[1]);
  });

  it("takes the input of a file for a blob, and writes it where it is asked to", () => {
    const input = bytesOf(Array.from({ length: 2048 }, (_, i) => i / 3));
    writeFileSync(file, input);
    const copy = join(folder, "copy");
    const job = jobOf(made("vadd", "--n", "1024", "--input", file, "--blob", "5", "--input-to", copy));
    expect(job).to.include({ hash: hashed(input), output: 5 });
    expect(job.input).to.deep.equal([5]);
    expect(readFileSync(copy)).to.deep.equal(Buffer.from(input));
  });

  it("has a result inline up to 2 KiB, and in a blob beyond that", () => {
    const zeros = (n: number): string => Array.from({ length: n }, () => "0").join(",");
    const outer = (m: number): Job =>
      jobOf(made("matmul", "--m", String(m), "--k", "1", "--n", "8", "--a", zeros(m), "--b", zeros(8)));
    expect(outer(64).output).to.equal("inline");
    expect(outer(65).output).to.equal(0);
    expect(jobOf(made(...VADD, "--blob", "2")).output).to.equal("inline");
  });

  it("stands behind its verb for a worker's ctl", () => {
    expect(made(...VADD, "--ctl", "--id", "x").text).to.equal(`job ${made(...VADD, "--id", "x").text}`);
  });

  it("says when a console's line has no room for it", () => {
    const vadd = (n: number): JobLine => {
      writeFileSync(file, new Uint8Array(8 * n));
      return made("vadd", "--n", String(n), "--input", file, "--id", "jid-00000000");
    };
    const room = 1024 - "ECHO /worker/worker-99999/ctl job ".length;
    const most = Math.max(
      ...Array.from({ length: 100 }, (_, i) => i + 1).filter((n) => vadd(n).text.length - 1 <= room),
    );
    expect(vadd(most).note).to.equal(undefined);
    expect(vadd(most + 1).note).to.equal(
      `the line has ${vadd(most + 1).text.length - 1} bytes and ECHO has no room for it: append it to the worker's ctl over 9P`,
    );
  });

  it("is no longer than a bridge takes", () => {
    writeFileSync(file, new Uint8Array(8 * 600));
    expect(mistake("vadd", "--n", "600", "--input", file, "--id", "x")).to.equal(
      "the line has 6589 bytes, more than 6144: put the input into a blob (--blob)",
    );
    expect(mistake("vadd", "--n", "600", "--input", file, "--id", "x", "--blob", "0")).to.match(/^\{"job":"x"/);
  });

  it("writes nothing where there is no line", () => {
    const copy = join(folder, "none");
    expect(mistake(...VADD, "--blob", "8", "--input-to", copy)).to.contain("/inputs/0");
    expect(() => readFileSync(copy)).to.throw("ENOENT");
  });

  it("has a help", () => {
    expect(parseJob(["--help"]))
      .to.have.property("print")
      .that.contains("Usage: gpu-bridge job [options] <kernel>");
  });

  const shape = ["--m", "1", "--k", "2", "--n", "1"];
  const both = "gpu-bridge: there must be --a and --b, or --input in place of both.";
  for (const [args, sentence] of [
    [[], "gpu-bridge: missing required argument 'kernel'."],
    [["fft"], "gpu-bridge: command-argument value 'fft' is invalid for argument 'kernel'. Allowed choices are vadd, matmul."],
    [["vadd"], both],
    [["vadd", "--a", "1"], both],
    [["vadd", "--b", "1"], both],
    [[...VADD, "--input", "/dev/null"], both],
    [["vadd", "--a", "1", "--input", "/dev/null"], both],
    [["vadd", "--input", "/dev/null"], "gpu-bridge: vadd of a file needs --n."],
    [["vadd", "--a", "1,2", "--b", "1"], "gpu-bridge: --b has 1 floats, not 2."],
    [["vadd", "--a", "1,2", "--b", "1,2", "--n", "3"], "gpu-bridge: --a has 2 floats, not 3."],
    [[...VADD, "--k", "1"], "gpu-bridge: --m and --k are for matmul."],
    [["matmul", "--a", "1", "--b", "1", "--m", "1", "--n", "1"], "gpu-bridge: matmul needs --m, --k and --n."],
    [["matmul", ...shape, "--a", "1,2,3", "--b", "4"], "gpu-bridge: --a has 3 floats, not 2."],
    [["vadd", "--a", "1,,2", "--b", "1"], "gpu-bridge: option '--a <floats>' argument '1,,2' is invalid. It must be 32-bit floats like 1,2.5,-3."],
    [["vadd", "--a", "1", "--b", "4e38"], "gpu-bridge: option '--b <floats>' argument '4e38' is invalid. It must be 32-bit floats like 1,2.5,-3."],
    [["vadd", "--a", "1", "--b", "0x1"], "gpu-bridge: option '--b <floats>' argument '0x1' is invalid. It must be 32-bit floats like 1,2.5,-3."],
    [[...VADD, "--timeout-ms", "1.5"], "gpu-bridge: option '--timeout-ms <ms>' argument '1.5' is invalid. It must be a whole number."],
    [[...VADD, "--timeout-ms", "0"], "/timeout_ms must be a whole number from 1 to 600000, not 0"],
    [[...VADD, "--grid", "1,2"], "/grid must be three whole numbers, not [1,2]"],
    [[...VADD, "--block", "64,64,1"], "/block must be of 1024 threads at most, not 4096"],
    [[...VADD, "--id", "a b"], '/job must be an id like jid-42 of up to 64 letters, digits and . _ -, not "a b"'],
    [[...VADD, "--out", "blob/8"], '/outputs/0 must be inline or blob/0 to blob/7, not "blob/8"'],
    [["vadd", "--n", "1", "--input", "/dev/null"], "the input has 0 bytes, not 8"],
    [["vadd", "--n", "1", "--input", "/dev/zero"], "/dev/zero has more than 16777216 bytes"],
    [["vadd", "--n", "1", "--input", "/none/such"], "ENOENT: no such file or directory, open '/none/such'"],
    [[...VADD, "--input-to", "/none/such"], "ENOENT: no such file or directory, open '/none/such'"],
  ] as const) {
    it(`${args.join(" ")} is refused`, () => {
      expect(mistake(...args)).to.equal(sentence);
    });
  } // prettier-ignore
});
