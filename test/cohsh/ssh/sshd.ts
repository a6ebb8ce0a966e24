/**
 * A real OpenSSH server as an ordinary process on a free port of the loopback, with host keys, users' keys and a configuration of
 * its own in a folder of its own. A forwarder stands before it, so that a test can cut or hold what goes through.
 */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "../../../scripts/lib/free-port.ts";

/** It has to be started by its whole name. */
const PROGRAM = "/usr/sbin/sshd";
/** Where one that is started by root wants to lock up the part of it that speaks with strangers; Debian's own. */
const SEPARATION = "/run/sshd";
const PATIENCE_MS = 10_000;

/** Why there can be no server here, `undefined` if there can. */
export function noSshd(): string | undefined {
  if (!existsSync("/proc/self/stat")) return "no /proc, by which its processes are found";
  if (!existsSync(PROGRAM)) return `no ${PROGRAM}, package openssh-server`;
  for (const tool of ["ssh-keygen", "ssh-agent", "ssh-add"]) {
    if (!existsSync(`/usr/bin/${tool}`)) return `no /usr/bin/${tool}, package openssh-client`;
  }
  return undefined;
}

/** A suite that needs one is skipped aloud without, and none of its hooks run. */
export function needsSshd(suite: Mocha.Suite): void {
  const missing = noSshd();
  if (missing === undefined) return;
  console.error(`SKIPPED: ${suite.fullTitle()}: ${missing}`);
  suite.title += ` (skipped: ${missing})`;
  suite.pending = true;
}

/** Make a key, and its public half beside it. */
export function makeKey(file: string, type = "ed25519", passphrase = ""): void {
  const size = type === "rsa" ? ["-b", "2048"] : [];
  execFileSync("ssh-keygen", ["-q", "-t", type, ...size, "-N", passphrase, "-C", "a test's", "-f", file]);
}

export interface SshdOptions {
  readonly type?: string;
  /** Lines of its configuration. */
  readonly config?: readonly string[];
}

export class Sshd {
  readonly folder = mkdtempSync(join(tmpdir(), "cohsh-sshd-"));
  readonly user = userInfo().username;
  /** Of the forwarder before it. */
  port = 0;
  /** What it has said. */
  log = "";
  readonly #options: SshdOptions;
  readonly #sockets = new Set<Socket>();
  #own = 0;
  #child: ChildProcess | undefined;
  #forwarder: Server | undefined;
  #madeSeparation = false;
  /** Connections that there ever were. */
  connections = 0;
  /** New bytes go nowhere. */
  held = false;

  private constructor(options: SshdOptions) {
    this.#options = options;
  }

  static async start(options: SshdOptions = {}): Promise<Sshd> {
    const server = new Sshd(options);
    try {
      makeKey(server.hostKey, options.type);
      makeKey(server.userKey);
      writeFileSync(join(server.folder, "authorized_keys"), readFileSync(`${server.userKey}.pub`), { mode: 0o600 });
      await server.#listen();
      await server.#forward();
      return server;
    } catch (error) {
      await server.end();
      throw error;
    }
  }

  get hostKey(): string {
    return join(this.folder, "host_key");
  }

  /** The one key that it lets in. */
  get userKey(): string {
    return join(this.folder, "user_key");
  }

  /** A line of known hosts for it. */
  get knownLine(): string {
    const [type = "", key = ""] = readFileSync(`${this.hostKey}.pub`, "utf8").split(" ");
    return `[127.0.0.1]:${this.port} ${type} ${key}\n`;
  }

  /** As `ssh-keygen -l` shows it. */
  get fingerprint(): string {
    const text = execFileSync("ssh-keygen", ["-l", "-f", `${this.hostKey}.pub`], { encoding: "utf8" });
    return /SHA256:\S+/.exec(text)?.[0] ?? "";
  }

  get url(): string {
    return `ssh://${this.user}@127.0.0.1:${this.port}`;
  }

  /** Give it another host key, and start it anew on its ports. */
  async changeHostKey(): Promise<void> {
    await this.#stop();
    rmSync(this.hostKey);
    rmSync(`${this.hostKey}.pub`);
    makeKey(this.hostKey, this.#options.type);
    await this.#listen();
  }

  /** Connections that are there. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Cut all connections, and go on listening. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async end(): Promise<void> {
    const forwarder = this.#forwarder;
    this.#forwarder = undefined;
    this.cut();
    if (forwarder !== undefined) await new Promise((resolve) => forwarder.close(resolve));
    await this.#stop();
    if (this.#madeSeparation) rmSync(SEPARATION, { recursive: true });
    rmSync(this.folder, { recursive: true });
  }

  async #listen(): Promise<void> {
    if (userInfo().uid === 0 && !existsSync(SEPARATION)) {
      mkdirSync(SEPARATION, { mode: 0o755 });
      this.#madeSeparation = true;
    }
    this.#own = this.#own === 0 ? await freePort() : this.#own;
    const config = join(this.folder, "sshd_config");
    const lines = [
      ...(this.#options.config ?? []),
      `Port ${this.#own}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${this.hostKey}`,
      `AuthorizedKeysFile ${join(this.folder, "authorized_keys")}`,
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "UseDNS no",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "PermitRootLogin prohibit-password",
    ];
    writeFileSync(config, `${lines.join("\n")}\n`);
    const child = spawn(PROGRAM, ["-D", "-e", "-f", config], { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`sshd is not up: ${this.log}`)), PATIENCE_MS);
      const settle = (error?: Error): void => {
        clearTimeout(timer);
        if (error === undefined) resolve();
        else reject(error);
      };
      child.once("error", settle);
      child.once("exit", () => settle(new Error(`sshd has ended: ${this.log}`)));
      child.stderr.on("data", (bytes: Buffer) => {
        this.log += bytes.toString("utf8");
        if (this.log.includes(`port ${this.#own}.`)) settle();
      });
    });
    this.log = "";
  }

  /** End it and what it started for each connection, by their numbers. */
  async #stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    this.cut();
    const { pid } = child;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const deadline = performance.now() + PATIENCE_MS;
    while (childrenOf(pid).length > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const left of childrenOf(pid)) process.kill(left, "SIGKILL");
    child.kill("SIGTERM");
    await ended;
  }

  #forward(): Promise<void> {
    const forwarder = createServer((near) => {
      this.connections++;
      const far = connect(this.#own, "127.0.0.1");
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.setNoDelay(true);
        from.on("error", () => undefined);
        from.on("data", (bytes: Buffer) => {
          if (!this.held) to.write(bytes);
        });
        from.on("close", () => {
          this.#sockets.delete(from);
          to.destroy();
        });
      }
    });
    this.#forwarder = forwarder;
    return new Promise((resolve, reject) => {
      forwarder.once("error", reject);
      forwarder.listen(0, "127.0.0.1", () => {
        const address = forwarder.address();
        if (typeof address === "object" && address !== null) this.port = address.port;
        resolve();
      });
    });
  }
}

/** Processes whose parent that one is (proc(5), field 4 of stat). */
function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "latin1");
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === pid;
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** An agent as a process of its own. */
export class Agent {
  readonly socket: string;
  readonly #child: ChildProcess;

  private constructor(socket: string, child: ChildProcess) {
    this.socket = socket;
    this.#child = child;
  }

  /** @param folder where its socket shall be */
  static async start(folder: string): Promise<Agent> {
    const socket = join(folder, "agent");
    const child = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
    const agent = new Agent(socket, child);
    const deadline = performance.now() + PATIENCE_MS;
    while (!existsSync(socket)) {
      if (performance.now() > deadline || child.exitCode !== null) {
        await agent.end();
        throw new Error("ssh-agent is not up");
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return agent;
  }

  add(file: string): void {
    execFileSync("ssh-add", ["-q", file], { env: { ...process.env, SSH_AUTH_SOCK: this.socket }, stdio: "pipe" });
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGTERM");
    await ended;
  }
}
