import { expect } from "chai";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Patience, QemuTransport } from "../../../cohsh/transports/qemu.ts";
import { inRepository } from "../../../scripts/lib/repository.ts";
import { acceptTransport } from "../transport.acceptance.ts";
import { withImageCredentials } from "./candidate.ts";

const TOOLCHAIN = ["qemu-system-aarch64", "aarch64-linux-gnu-gcc", "cmake", "ninja"] as const;

/** Why QEMU cannot be used here, `undefined` if it can. */
function noQemu(): string | undefined {
  const prefix = process.env["SEL4_PREFIX"] ?? "/opt/sel4";
  if (!existsSync(prefix)) return `no seL4 in ${prefix}`;
  const missing = TOOLCHAIN.filter((tool) => spawnSync(tool, ["--version"]).status !== 0);
  if (missing.length > 0) return `no ${missing.join(", ")}`;
  return existsSync(inRepository("out", "hive.elf")) ? undefined : "no out/hive.elf, npm run image makes it";
}

acceptTransport("qemu", () => withImageCredentials(new QemuTransport({ net: "none" })), {
  skip: noQemu(),
  openMs: 120_000,
  closeMs: 10_000,
  leftBehind: (transport) => transport instanceof QemuTransport && transport.pid !== undefined,
});

/** A console that echoes, answers `ping`, and ends at `die`. */
const stub = (head: string, onQuit = ""): string => `#!/usr/bin/env bash
${head}
printf '[   0.000001] boot: stub\\r\\ncohesix> '
while IFS= read -r -n 1 -d '' c; do
    case $c in
    $'\\x01') ${onQuit === "" ? ":" : onQuit} ;;
    $'\\r')
        printf '\\r\\n'
        case $line in
        ping) printf 'OK PING reply=pong\\r\\nPONG\\r\\n' ;;
        die) echo 'qemu-run: QEMU ended with an error' >&2; exit 1 ;;
        esac
        line=
        printf 'cohesix> '
        ;;
    *) line+=$c; printf '%s' "$c" ;;
    esac
done
`;

describe("transport qemu and what it started", function () {
  this.timeout(30_000);
  let directory: string;
  let script: string;
  const patience: Patience = { asked: 100, terminated: 300, killed: 5000 };
  const ear = { replies: [] as string[], ends: [] as string[], wake: (): void => undefined };
  const sink = {
    reply: (line: string): void => {
      ear.replies.push(line);
      ear.wake();
    },
    log: (): void => undefined,
    ended: (reason: string): void => {
      ear.ends.push(reason);
      ear.wake();
    },
  };

  function make(text: string): QemuTransport {
    writeFileSync(script, text);
    chmodSync(script, 0o755);
    return new QemuTransport({ script, patience });
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        ear.wake = resolve;
      });
    }
  }

  function alive(pid: number | undefined): boolean {
    if (pid === undefined) return false;
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  }

  async function message(promise: Promise<unknown>): Promise<string> {
    try {
      await promise;
    } catch (error) {
      if (error instanceof Error) return error.message;
    }
    return "it did not fail";
  }

  const patient = (): AbortSignal => AbortSignal.timeout(20_000);

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cohsh-qemu-"));
    script = join(directory, "qemu-run.sh");
    ear.replies.length = 0;
    ear.ends.length = 0;
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("passes on in one sentence why the script refused", async () => {
    const transport = make("#!/bin/sh\necho 'qemu-run: there is no kernel in /x' >&2\nexit 2\n");
    expect(await message(transport.open(sink, patient()))).to.equal("there is no kernel in /x");
    expect(transport.pid).to.equal(undefined);
  });

  it("finds the sentence among what an interpreter printed around it", async () => {
    const transport = make(
      "#!/bin/sh\necho 'image: /x is no seL4 prefix' >&2\necho >&2\necho 'Node.js v20' >&2\nexit 2\n",
    );
    expect(await message(transport.open(sink, patient()))).to.equal("image: /x is no seL4 prefix");
  });

  it("starts the script in the project, with the kernel's prefix as the user meant it", async () => {
    writeFileSync(script, '#!/bin/sh\necho "qemu-run: $PWD $*" >&2\nexit 2\n');
    chmodSync(script, 0o755);
    const transport = new QemuTransport({ script, patience, sel4: "relative/prefix", net: "none" });
    expect(await message(transport.open(sink, patient()))).to.equal(
      `${inRepository()} --port none --sel4 ${join(process.cwd(), "relative/prefix")} --net none`,
    );
  });

  it("says that the script cannot be started", async () => {
    const transport = new QemuTransport({ script: join(directory, "none"), patience });
    expect(await message(transport.open(sink, patient()))).to.match(/none/);
    await transport.close();
  });

  it("gives up on a machine that never shows its prompt, with its last line, and ends it", async () => {
    const transport = make("#!/bin/sh\nprintf '[   0.000001] boot: halted, no bundle\\r\\n'\nexec sleep 60\n");
    expect(await message(transport.open(sink, AbortSignal.timeout(700)))).to.equal(
      "the hive in QEMU was not up in time; its last line was: [   0.000001] boot: halted, no bundle",
    );
    expect(transport.pid).to.equal(undefined);
  });

  it("announces a machine that ends by itself, once, and takes no line then", async () => {
    const transport = make(stub(""));
    await transport.open(sink, patient());
    transport.send("ping");
    await until(() => ear.replies.includes("PONG"));
    transport.send("die");
    await until(() => ear.ends.length > 0);
    expect(ear.ends).to.deep.equal(["QEMU ended with an error"]);
    expect(() => transport.send("ping")).to.throw("not open");
    await transport.close();
    expect(ear.ends).to.have.length(1);
  });

  for (const [how, head, onQuit] of [
    ["asks a machine to end, on its line", "", "exit 0"],
    ["ends by SIGTERM what does not end when asked", "", ""],
    ["ends by SIGKILL what ignores SIGTERM", "trap '' TERM", ""],
  ] as const) {
    it(how, async () => {
      const transport = make(stub(head, onQuit));
      await transport.open(sink, patient());
      const { pid } = transport;
      expect(alive(pid)).to.equal(true);
      await transport.close();
      expect(alive(pid)).to.equal(false);
      expect(ear.ends).to.deep.equal([]);
    });
  }

  const leash = spawnSync("setpriv", ["--help"], { encoding: "utf8" });
  const leashed = leash.status === 0 && leash.stdout.includes("pdeathsig");
  (leashed ? it : it.skip)("ends the machine when the shell is killed outright (needs setpriv)", async () => {
    make(stub(""));
    const parent = spawn(
      process.execPath,
      [
        ...["--import", "tsx", "--input-type=module", "-e"],
        `import { QemuTransport } from ${JSON.stringify(inRepository("cohsh/transports/qemu.ts"))};
         const transport = new QemuTransport({ script: ${JSON.stringify(script)} });
         await transport.open({ reply() {}, log() {}, ended() {} }, AbortSignal.timeout(20000));
         console.log("pid", transport.pid);`,
      ],
      { cwd: inRepository(), stdio: ["ignore", "pipe", "inherit"] },
    );
    const text = await new Promise<string>((resolve) =>
      parent.stdout.once("data", (bytes: Buffer) => resolve(bytes.toString())),
    );
    const pid = Number(/pid (\d+)/.exec(text)?.[1]);
    expect(alive(pid)).to.equal(true);
    parent.kill("SIGKILL");
    while (alive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
  });
});
