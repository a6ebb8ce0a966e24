import { expect } from "chai";
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import type { SshOptions } from "../../../cohsh/ssh/connection.ts";
import { SshTunnel } from "../../../cohsh/ssh/tunnel.ts";
import { promisify } from "node:util";
import { ConnectError } from "../../../cohsh/transports/tcp-connection.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";
import { makeKey, needsSshd, Sshd, type SshdOptions } from "./sshd.ts";

const soon = (): AbortSignal => AbortSignal.timeout(8000);

async function refusal(dialling: Promise<Duplex>): Promise<ConnectError> {
  try {
    (await dialling).destroy();
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error("it was let through");
}

/** Something on the loopback that is no hive, and no ssh server either. */
class Listener {
  port = 0;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  static async start(onConnection: (socket: Socket) => void): Promise<Listener> {
    const listener = new Listener();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      listener.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => listener.#sockets.delete(socket));
      onConnection(socket);
    });
    listener.#server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (typeof address === "object" && address !== null) listener.port = address.port;
    return listener;
  }

  get open(): number {
    return this.#sockets.size;
  }

  async end(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}

describe("a way by an ssh server", function () {
  needsSshd(this);
  this.timeout(20_000);
  let sshd: Sshd;
  let known: string;
  let echo: Listener;
  const tunnels: SshTunnel[] = [];
  const servers: Sshd[] = [];

  before(async () => {
    sshd = await Sshd.start();
    known = join(sshd.folder, "known_hosts");
    echo = await Listener.start((socket) => socket.pipe(socket));
  });
  beforeEach(() => writeFileSync(known, sshd.knownLine));
  afterEach(async () => {
    for (const tunnel of tunnels.splice(0)) tunnel.close();
    for (const server of servers.splice(0)) await server.end();
  });
  after(async () => {
    await echo.end();
    await sshd.end();
  });

  function tunnel(options: Partial<SshOptions> = {}, server = sshd): SshTunnel {
    const { user, port, userKey: identity } = server;
    const made = new SshTunnel({
      ...{ user, host: "127.0.0.1", port, knownHosts: known, identity, agent: undefined, ...options },
    });
    tunnels.push(made);
    return made;
  }

  /** Another server, which is known as well. */
  async function another(options: SshdOptions): Promise<Sshd> {
    const server = await Sshd.start(options);
    servers.push(server);
    writeFileSync(known, server.knownLine, { flag: "a" });
    return server;
  }

  const there = (): { host: string; port: number } => ({ host: "127.0.0.1", port: echo.port });
  const why = async (way: SshTunnel, address = there()): Promise<string> =>
    (await refusal(way.dial(address, soon()))).message;

  /** What comes back of what is sent. */
  async function echoed(stream: Duplex, bytes: Buffer): Promise<Buffer> {
    const pieces: Buffer[] = [];
    stream.end(bytes);
    for await (const piece of stream) pieces.push(piece as Buffer);
    return Buffer.concat(pieces);
  }

  it("carries bytes both ways to the last, however many, in streams of one connection", async () => {
    const way = tunnel();
    const before = sshd.connections;
    const bytes = Buffer.alloc(3_000_000, "0123456789abcdef\n");
    const streams = await Promise.all([1, 2, 3].map(() => way.dial(there(), soon())));
    for (const back of await Promise.all(streams.map((stream, n) => echoed(stream, bytes.subarray(n))))) {
      expect(bytes.subarray(bytes.length - back.length).equals(back)).to.equal(true);
      expect(back.length).to.be.above(bytes.length - 4);
    }
    expect(sshd.connections - before).to.equal(1);
    expect(way.name).to.equal(`ssh://${sshd.user}@127.0.0.1:${sshd.port}`);
  });

  it("ends with the tunnel, streams and all", async () => {
    const way = tunnel();
    const stream = await way.dial(there(), soon());
    const closed = new Promise((resolve) => stream.once("close", resolve));
    way.close();
    await closed;
    while (sshd.open > 0 || echo.open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await why(way)).to.equal(`ssh: the way by 127.0.0.1:${sshd.port} was closed`);
  });

  it("makes a new connection after one was lost, and says what became of that", async () => {
    const way = tunnel();
    const stream = await way.dial(there(), soon());
    const lost = new Promise<string>((resolve) => stream.once("error", (error) => resolve(error.message)));
    const before = sshd.connections;
    sshd.cut();
    expect(await lost).to.match(new RegExp(`^the ssh connection to 127.0.0.1:${sshd.port} (?:was closed|broke: .+)$`));
    expect(stream.destroyed).to.equal(true);
    (await way.dial(there(), soon())).destroy();
    expect(sshd.connections - before).to.equal(1);
  });

  it("finds out that a server does not answer any more", async () => {
    const way = tunnel({ keepAliveMs: 50 });
    const stream = await way.dial(there(), soon());
    const lost = new Promise<string>((resolve) => stream.once("error", (error) => resolve(error.message)));
    sshd.held = true;
    try {
      expect(await lost).to.equal(`the ssh connection to 127.0.0.1:${sshd.port} broke: Keepalive timeout`);
    } finally {
      sshd.held = false;
    }
    (await way.dial(there(), soon())).destroy();
  });

  it("waits no longer than it may at any stage, and says for what", async () => {
    const quick = (): AbortSignal => AbortSignal.timeout(200);
    const mute = await Listener.start((socket) => socket.on("end", () => socket.end()).resume());
    try {
      const way = tunnel({ port: mute.port });
      const failure = await refusal(way.dial(there(), quick()));
      expect(failure).to.include({
        kind: "cut",
        message: `ssh: 127.0.0.1:${mute.port} did not say in time who it is: it may hang, or be no ssh server`,
      });
      while (mute.open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    } finally {
      await mute.end();
    }
    // An agent that never answers.
    const path = join(sshd.folder, "mute-agent");
    const agent = createServer(() => undefined);
    await new Promise<void>((resolve) => agent.listen(path, resolve));
    const held: Socket[] = [];
    agent.on("connection", (socket) => held.push(socket));
    try {
      const waiting = refusal(tunnel({ agent: path }).dial(there(), AbortSignal.timeout(1500)));
      expect((await waiting).message).to.equal(
        `ssh: 127.0.0.1:${sshd.port} did not let ${sshd.user} in in time: it may hang, or an agent wait for its user`,
      );
    } finally {
      for (const socket of held) socket.destroy();
      await new Promise((resolve) => agent.close(resolve));
    }
    const way = tunnel();
    const first = await way.dial(there(), soon());
    sshd.held = true;
    try {
      const failure = await refusal(way.dial(there(), quick()));
      expect(failure).to.include({
        kind: "cut",
        message: `ssh: 127.0.0.1:${sshd.port} did not connect to 127.0.0.1:${echo.port} in time`,
      });
    } finally {
      sshd.held = false;
      first.destroy();
    }
  });

  it("is not lost to one who waits when another does not wait any more", async () => {
    const way = tunnel();
    const [quitter, patient] = [new AbortController(), way.dial(there(), soon())];
    const gone = refusal(way.dial(there(), quitter.signal));
    quitter.abort();
    expect((await gone).message).to.equal(`ssh: 127.0.0.1:${sshd.port} did not answer in time`);
    (await patient).destroy();
  });

  describe("and the server's key", () => {
    it("is asked about before anything of the user's is sent", async () => {
      const server = await another({ config: ["LogLevel DEBUG1"] });
      const stranger = join(server.folder, "nobody");
      const { message, kind } = await refusal(tunnel({ knownHosts: stranger }, server).dial(there(), soon()));
      expect(kind).to.equal("final");
      expect(message).to.equal(
        `ssh: the host key of 127.0.0.1:${server.port} is not known: it shows ssh-ed25519 ${server.fingerprint}, and there ` +
          `is no line for [127.0.0.1]:${server.port} in ${stranger}; nothing was sent; if whoever runs the host confirms that ` +
          `fingerprint, make it known with: ssh-keyscan -p ${server.port} -t ed25519 127.0.0.1 >> ${stranger}`,
      );
      while (!server.log.includes("[preauth]")) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(server.log).to.include("kex").and.not.include("userauth").and.not.include("ssh-userauth");
      // What the sentence says is what helps.
      // It goes through this process, which must not wait for it.
      const scan = promisify(execFile)("ssh-keyscan", ["-p", String(server.port), "-t", "ed25519", "127.0.0.1"]);
      const { stdout: line } = await scan;
      writeFileSync(stranger, line);
      (await tunnel({ knownHosts: stranger }, server).dial(there(), soon())).destroy();
      expect(server.log).to.include("userauth-request for user");
    });

    it("is refused when it is another than is known, with both fingerprints and the place", async () => {
      const server = await another({});
      const old = server.fingerprint;
      writeFileSync(known, `# mine\n${server.knownLine}`);
      await server.changeHostKey();
      expect(await why(tunnel({}, server))).to.equal(
        `ssh: the host key of 127.0.0.1:${server.port} has changed: it shows ssh-ed25519 ${server.fingerprint}, but ` +
          `ssh-ed25519 ${old} (${known} line 2) is known; somebody may stand in between, and nothing was sent; once whoever ` +
          `runs the host has confirmed the new key, forget the old one with: ssh-keygen -R '[127.0.0.1]:${server.port}' -f ${known}`,
      );
    });

    it("is asked about again when the connection is made anew", async () => {
      const server = await another({});
      const way = tunnel({}, server);
      (await way.dial(there(), soon())).destroy();
      await server.changeHostKey();
      const failure = await refusal(way.dial(there(), soon()));
      expect(failure.message).to.include("has changed");
      expect(failure.kind).to.equal("final");
    });

    it("is refused when it is revoked, known or not", async () => {
      writeFileSync(known, `${sshd.knownLine}@revoked * ${sshd.knownLine.split(" ").slice(1).join(" ")}`);
      expect(await why(tunnel())).to.equal(
        `ssh: the host key of 127.0.0.1:${sshd.port}, ssh-ed25519 ${sshd.fingerprint}, is revoked in ${known} line 2; nothing was sent`,
      );
      writeFileSync(known, `${sshd.knownLine}@revoked * ssh-ed25519 broken\n`);
      expect(await why(tunnel())).to.equal(
        `ssh: ${known} line 2 is to revoke a key, but has a key that is none, or of another kind than it says; nothing was sent`,
      );
    });

    it("is known by a hashed name", async () => {
      execFileSync("ssh-keygen", ["-Hf", known], { stdio: "ignore" });
      expect(readFileSync(known, "utf8")).to.match(/^\|1\|/);
      (await tunnel().dial(there(), soon())).destroy();
    });

    for (const type of ["rsa", "ecdsa"]) {
      it(`is asked for in the kind that is known, ${type}, where the server has several`, async () => {
        const other = join(sshd.folder, `host_${type}`);
        makeKey(other, type);
        const server = await another({ config: [`HostKey ${other}`] });
        const [kind = "", key = ""] = readFileSync(`${other}.pub`, "utf8").split(" ");
        writeFileSync(known, `[127.0.0.1]:${server.port} ${kind} ${key}\n`);
        (await tunnel({}, server).dial(there(), soon())).destroy();
      });
    }

    it("is told of with what else is known, and cannot be read, of the host", async () => {
      const rsa = join(sshd.folder, "host_other");
      makeKey(rsa, "rsa");
      const [kind = "", key = ""] = readFileSync(`${rsa}.pub`, "utf8").split(" ");
      writeFileSync(known, `[127.0.0.1]:* ${kind} ${key}\n@cert-authority * ${kind} ${key}\nnonsense\n`);
      expect(await why(tunnel()))
        .to.include(`; by another kind of key it is known: ssh-rsa SHA256:`)
        .and.include(`(${known} line 1)`)
        .and.include(`; ${known} line 2 is for certificates, which are not checked here`)
        .and.include(`; ${known} line 3 has not all of host, kind and key`);
    });

    it("is not looked for in a file that cannot be read", async () => {
      const folder = join(sshd.folder, "folder");
      mkdirSync(folder, { recursive: true });
      expect(await why(tunnel({ knownHosts: folder }))).to.match(
        new RegExp(`^ssh: ${folder} cannot be read, so no host is known: `),
      );
    });
  });

  describe("says in a sentence", () => {
    it("that there is no such host, and that nobody listens", async () => {
      const unknown = await refusal(tunnel({ host: "no.such.invalid" }).dial(there(), soon()));
      expect(unknown).to.include({ kind: "absent", message: "ssh: there is no host no.such.invalid" });
      const port = await freePort();
      const nobody = await refusal(tunnel({ port }).dial(there(), soon()));
      expect(nobody).to.include({ kind: "absent", message: `ssh: nobody listens at 127.0.0.1:${port}` });
    });

    it("that what listens is no ssh server, or closes at once", async () => {
      const web = await Listener.start((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
      const shut = await Listener.start((socket) => socket.destroy());
      try {
        expect(await why(tunnel({ port: web.port }))).to.match(
          new RegExp(`^ssh: (?:the connection to )?127.0.0.1:${web.port} `),
        );
        expect(await why(tunnel({ port: shut.port }))).to.match(
          new RegExp(`^ssh: (?:the connection to )?127.0.0.1:${shut.port} (?:broke|closed)`),
        );
      } finally {
        await web.end();
        await shut.end();
      }
    });

    it("that nobody listens where the hive should be", async () => {
      const port = await freePort();
      const failure = await refusal(tunnel().dial({ host: "127.0.0.1", port }, soon()));
      expect(failure.kind).to.equal("absent");
      expect(failure.message).to.match(
        new RegExp(`^(?:nobody listens at|ssh: .* cannot connect to) 127.0.0.1:${port}`),
      );
    });

    for (const [what, config] of [
      ["all forwarding", ["AllowTcpForwarding no"]],
      ["forwarding but for one place", ["PermitOpen 127.0.0.1:1"]],
      ["anything but a shell", ["DisableForwarding yes"]],
    ] as const) {
      it(`that the server forbids ${what}`, async () => {
        const server = await another({ config });
        const failure = await refusal(tunnel({}, server).dial(there(), soon()));
        expect(failure.kind).to.equal("final");
        expect(failure.message).to.match(
          new RegExp(
            `^ssh: 127.0.0.1:${server.port} forbids that anybody goes from there to 127.0.0.1:${echo.port}: see Allow`,
          ),
        );
      });
    }

    it("that the key may go elsewhere alone, as authorized_keys has it", async () => {
      const file = join(sshd.folder, "authorized_keys");
      const line = readFileSync(file, "utf8");
      try {
        writeFileSync(file, `restrict,port-forwarding,permitopen="127.0.0.1:${echo.port}" ${line}`);
        const way = tunnel();
        (await way.dial(there(), soon())).destroy();
        const other = { host: "127.0.0.1", port: echo.port === 1 ? 2 : 1 };
        expect(await why(way, other)).to.include(`forbids that anybody goes from there to 127.0.0.1:${other.port}`);
        writeFileSync(file, `restrict ${line}`);
        expect(await why(tunnel())).to.include("forbids that anybody goes from there");
      } finally {
        writeFileSync(file, line);
      }
    });

    it("that the server takes no keys, but a password", async () => {
      const server = await another({ config: ["PubkeyAuthentication no", "PasswordAuthentication yes"] });
      const failure = await refusal(tunnel({ user: "somebody" }, server).dial(there(), soon()));
      expect(failure).to.include({
        kind: "final",
        message: `ssh: 127.0.0.1:${server.port} lets somebody in by password alone, and all that is shown from here is keys`,
      });
    });
  });
});
