import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { processRuns } from "../../scripts/lib/qmp.ts";

const fakeQemu = join(import.meta.dirname, "fake-qemu.mjs");

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A port on which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((ready) => server.once("listening", ready));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  return typeof address === "object" && address !== null ? address.port : 0;
}

describe("scripts/qemu-run.sh", function () {
  this.timeout(60_000);
  let folder: string;
  let image: string;
  let note: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "qemu-run-test-"));
    image = join(folder, "hive.elf");
    writeFileSync(image, "image");
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    note = join(folder, "note");
    writeFileSync(note, "");
  });

  const environment = (mode = ""): NodeJS.ProcessEnv => ({
    ...process.env,
    QEMU: fakeQemu,
    FAKE_QEMU: mode,
    FAKE_QEMU_NOTE: note,
  });
  const run = (args: string[], mode = "", input = ""): Result =>
    spawnSync("scripts/qemu-run.sh", ["--port", "none", ...args], {
      encoding: "utf8",
      env: environment(mode),
      input,
      timeout: 20_000,
    });
  const unattended = (args: string[], mode = "", input = ""): Result => run(["--image", image, ...args], mode, input);
  /** What the stand-in for QEMU was last started with. */
  const noted = (): { pid: number; args: string[] } => {
    const started =
      readFileSync(note, "utf8")
        .match(/^\{.*$/gm)
        ?.at(-1) ?? expect.fail("QEMU was not started");
    return JSON.parse(started) as { pid: number; args: string[] };
  };

  describe("unattended", () => {
    it("exits 0 as soon as everything expected was seen, and ends QEMU through its monitor", () => {
      const { status, stdout } = unattended(["--expect", "PING 1", "--expect", "^PONG 1$"]);
      expect(status).to.equal(0);
      expect(stdout).to.contain("Cohesix");
      expect(readFileSync(note, "utf8")).to.contain("quit\n");
      expect(processRuns(noted().pid)).to.equal(false);
    });

    it("runs from any folder, and takes files relative to it", () => {
      const { status, stderr } = spawnSync(
        join(process.cwd(), "scripts/qemu-run.sh"),
        ["--image", "hive.elf", "--port", "none", "--expect", "PING 1"],
        { cwd: folder, encoding: "utf8", env: environment(), timeout: 20_000 },
      );
      expect(status, stderr).to.equal(0);
      expect(noted().args.join(" ")).to.contain("-kernel hive.elf ");
      const kernel = spawnSync(join(process.cwd(), "scripts/qemu-run.sh"), ["--port", "none", "--sel4", "nowhere"], {
        cwd: folder,
        encoding: "utf8",
        env: environment(),
        timeout: 20_000,
      });
      expect(kernel.stderr).to.contain(`there is no seL4 install prefix at ${join(folder, "nowhere")}`);
    });

    it("exits 1 at the deadline and names what it did not see", () => {
      const { status, stderr } = unattended(["--exit-after", "1", "--expect", "PING 1", "--expect", "PING 2"]);
      expect(status).to.equal(1);
      expect(stderr).to.contain("not seen within 1 s: PING 2");
      expect(stderr).not.to.contain("PING 1");
      expect(processRuns(noted().pid)).to.equal(false);
    });

    it("exits 0 at the deadline if nothing was expected", () => {
      expect(unattended(["--exit-after", "0.5"], "silent").status).to.equal(0);
    });

    it("types lines in turn and shows the answers", () => {
      const { status, stdout } = unattended(["--send", "help", "--send", "bi"]);
      expect(status).to.equal(0);
      expect(stdout).to.match(/cohesix> help\r\nOK\r\ncohesix> bi\r\nOK\r\ncohesix> $/);
    });

    it("types what comes in on standard input, after the prompt", () => {
      const { status, stdout } = unattended(["--expect", "mem\\nOK"], "", "mem\r");
      expect(status).to.equal(0);
      expect(stdout).to.contain("cohesix> mem");
    });

    it("exits 1 when QEMU ends by itself or does not start", () => {
      expect(unattended(["--send", "die"])).to.deep.include({ status: 1 });
      expect(unattended(["--expect", "PING 1"], "broken").status).to.equal(1);
    });

    it("kills a QEMU whose monitor does not end it", () => {
      const { status, stderr } = unattended(["--expect", "PING 1"], "stuck");
      expect(status).to.equal(1);
      expect(stderr).to.match(/QEMU \(process \d+\) does not end/);
      expect(processRuns(noted().pid)).to.equal(false);
    });

    it("leaves no QEMU and no folder behind when it is ended or killed itself", async () => {
      for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"] as const) {
        writeFileSync(note, "");
        const child: ChildProcess = spawn(
          "scripts/qemu-run.sh",
          ["--image", image, "--port", "none", "--exit-after", "50"],
          {
            env: environment(),
            stdio: ["ignore", "pipe", "ignore"],
          },
        );
        await new Promise((seen) => child.stdout?.once("data", seen));
        const ended = new Promise((settle) => child.once("exit", settle));
        child.kill(signal);
        await ended;
        for (let tries = 0; processRuns(noted().pid) && tries < 100; tries++) await delay(50);
        expect(processRuns(noted().pid), signal).to.equal(false);
        const socket = noted().args.find((word) => word.startsWith("socket,id=serial")) ?? "";
        const work = /path=(.*)\/serial/.exec(socket)?.[1] ?? "";
        expect(work).to.match(/^\/tmp\/qemu-run\./);
        const folderThere = (): boolean => readdirSync("/tmp").includes(work.slice("/tmp/".length));
        for (let tries = 0; folderThere() && tries < 100; tries++) await delay(50);
        expect(folderThere(), signal).to.equal(false);
      }
    });

    it("ends with the program that holds its leash, even if that was killed", async () => {
      const words = ["--image", image, "--port", "none", "--exit-after", "50", "--leash", "3"];
      const child = spawn("scripts/qemu-run.sh", words, {
        env: environment(),
        stdio: ["ignore", "pipe", "ignore", "pipe"],
      });
      await new Promise((seen) => child.stdout?.once("data", seen));
      const ended = new Promise((settle) => child.once("exit", settle));
      child.stdio[3]?.destroy();
      expect(await ended).to.equal(143);
      expect(processRuns(noted().pid)).to.equal(false);
    });
  });

  describe("on a pipe", () => {
    it("types it at the prompt, shows the answers and ends with it through the monitor", () => {
      const { status, stdout } = unattended([], "", "ping\rhelp\r");
      expect(status).to.equal(0);
      expect(stdout).to.contain("cohesix> ping\rhelp\r\nOK\r\n");
      expect(readFileSync(note, "utf8")).to.contain("quit\n");
      expect(processRuns(noted().pid)).to.equal(false);
    });

    it("leaves at once on Ctrl-A x, and types nothing after it", () => {
      const { status, stdout } = unattended([], "silent", "\x01xping\r");
      expect(status).to.equal(0);
      expect(stdout).to.equal("");
    });
  });

  describe("the machine", () => {
    const args = (...options: string[]): string => {
      expect(unattended(["--expect", "PING 1", ...options]).status).to.equal(0);
      return noted().args.join(" ");
    };

    it("is the one that docs/KERNEL.md names", () => {
      expect(args()).to.contain("-machine virt,gic-version=3 -cpu cortex-a57 -smp 1 -m 1024");
      expect(args()).to.contain("virtio-mmio.force-legacy=false");
    });

    it("has a network card and entropy unless told otherwise", () => {
      expect(args()).to.contain("-netdev user,id=net0 -device virtio-net-device,netdev=net0 -device virtio-rng-device");
      expect(args("--net", "none")).not.to.contain("virtio-net");
      expect(args("--no-rng")).not.to.contain("virtio-rng");
    });

    it("dumps frames and logs the serial line where it is told", () => {
      expect(args("--pcap", "/tmp/a.pcap")).to.contain("filter-dump,id=pcap,netdev=net0,file=/tmp/a.pcap");
      expect(args("--log", "/tmp/a.log")).to.match(/socket,id=serial,\S*logfile=\/tmp\/a\.log/);
    });

    it("has its console on the UART, or on a virtio console with the UART in the log alone", () => {
      expect(args("--console", "serial")).to.match(/ -serial chardev:serial$/);
      expect(args("--console", "serial")).not.to.contain("virtconsole");
      const virtio = args("--console", "virtio", "--log", "/tmp/a.log");
      expect(virtio).to.match(
        / -chardev null,id=uart,logfile=\/tmp\/a\.log,logappend=off -serial chardev:uart -device virtio-serial-device -device virtconsole,chardev=serial$/,
      );
      expect(virtio).to.match(/socket,id=serial,path=\S*,wait=on /);
    });

    it("has the console's port forwarded from this machine alone, unless told otherwise", async () => {
      const port = String(await freePort());
      const forwarded = (...options: string[]): Result => {
        writeFileSync(note, "");
        return unattended(["--expect", "PING 1", ...options]);
      };
      for (const option of ["--tcp-port", "--port"]) {
        expect(forwarded(option, port)).to.deep.include({ status: 0, stderr: "" });
        expect(noted().args.join(" ")).to.contain(`user,id=net0,hostfwd=tcp:127.0.0.1:${port}-:31337 `);
      }
      const open = forwarded("--tcp-port", port, "--bind", "0.0.0.0");
      expect(open.status).to.equal(0);
      expect(open.stderr).to.match(
        /^qemu-run: warning: .*port \d+ is open to whoever reaches 0\.0\.0\.0, and credentials cross in clear/,
      );
      expect(noted().args.join(" ")).to.contain(`hostfwd=tcp:0.0.0.0:${port}-:31337 `);
    });

    it("says how to attach over TCP where that is the console", async () => {
      const port = String(await freePort());
      const { status, stderr } = unattended(["--console", "tcp", "--tcp-port", port, "--expect", "PING 1"]);
      expect(status).to.equal(0);
      expect(stderr).to.equal(`qemu-run: attach with: cohsh --transport tcp --host 127.0.0.1 --port ${port}\n`);
    });
  });

  describe("says in one sentence what is missing", () => {
    const refused = (result: Result, sentence: string | RegExp): void => {
      expect(result.status).to.equal(2);
      expect(result.stderr.trim().split("\n")).to.have.length(1);
      if (typeof sentence === "string") expect(result.stderr).to.contain(sentence);
      else expect(result.stderr).to.match(sentence);
    };
    const spawned = (args: string[], env: NodeJS.ProcessEnv): Result =>
      spawnSync("scripts/qemu-run.sh", args, { encoding: "utf8", env, timeout: 20_000 });

    it("no QEMU", () => {
      refused(
        spawned(["--image", image], { ...process.env, QEMU: "no-such-qemu" }),
        "there is no no-such-qemu on this machine: toolchain/",
      );
    });

    it("a QEMU that is too old", () => {
      refused(unattended([], "old"), /fake-qemu\.mjs is version 5\.2\.0, but 7\.2 or newer is needed/);
    });

    it("no kernel", () => {
      refused(
        run(["--sel4", join(folder, "none")]),
        /image: there is no seL4 install prefix at .*none: docs\/KERNEL\.md/,
      );
    });

    it("no image", () => {
      refused(run(["--image", join(folder, "none")]), "there is no such file");
    });

    it("a busy port", async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await new Promise((ready) => server.once("listening", ready));
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      try {
        refused(
          spawned(["--image", image, "--port", String(port)], environment()),
          `port ${port} on 127.0.0.1 is in use by another program`,
        );
      } finally {
        server.close();
      }
    });

    it("a tap device that is not there", function () {
      if (process.platform !== "linux" || spawnSync("test", ["-c", "/dev/net/tun"]).status !== 0) this.skip();
      refused(unattended(["--tap", "nosuchtap0"]), "--tap nosuchtap0: there is no such network device");
    });

    it("no tun device", function () {
      const alone = ["-m", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"];
      if (spawnSync("unshare", [...alone, "true"]).status !== 0) this.skip();
      refused(
        spawnSync("unshare", [...alone, "scripts/qemu-run.sh", "--image", image, "--net", "tap"], {
          encoding: "utf8",
          env: environment(),
        }),
        "there is no tun device (/dev/net/tun) on this machine",
      );
    });

    it("no right to make a tap device", function () {
      if (process.platform !== "linux" || spawnSync("test", ["-c", "/dev/net/tun"]).status !== 0) this.skip();
      // In a user namespace of its own without a mapping nobody is root.
      if (spawnSync("unshare", ["--user", "true"]).status !== 0) this.skip();
      refused(
        spawnSync("unshare", ["--user", "scripts/qemu-run.sh", "--image", image, "--net", "tap"], {
          encoding: "utf8",
          env: environment(),
        }),
        "making a tap device needs root: run as root, or name an existing one with --tap",
      );
    });

    it("what it cannot use", () => {
      refused(unattended(["--net", "bridge"]), "--net bridge: only none, user and tap are there");
      refused(unattended(["--console", "vga"]), "--console vga: only serial, virtio and tcp are there");
      refused(unattended(["--exit-after", "soon"]), "--exit-after soon: a number of seconds");
      refused(unattended(["--port", "70000"]), "--port 70000: a number from 1 to 65535, or none");
      refused(unattended(["--tcp-port", "08"]), "--tcp-port 08: a number from 1 to 65535, or none");
      refused(unattended(["--bind", "localhost"]), "--bind localhost: an IPv4 address of this machine");
      refused(unattended(["--bind", "1.2.3.256"]), "--bind 1.2.3.256: an IPv4 address");
      refused(unattended(["--bind", "0.0.0.0", "--net", "none"]), "--bind is for --net user");
      refused(unattended(["--console", "tcp", "--net", "none"]), "--console tcp needs a network");
      refused(unattended(["--console", "tcp"]), "--console tcp needs a port");
      refused(unattended(["--pcap", "x", "--net", "none"]), "--pcap needs a network");
      refused(unattended(["--leash", "7"]), "--leash 7: an open descriptor from 3 to 8");
      refused(unattended(["--what"]), "unknown option --what");
      refused(unattended(["--expect"]), "--expect needs a value");
    });
  });
});
