import { expect } from "chai";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attach9p } from "../../../cohsh/9p/attach.ts";
import { Relay } from "../../../cohsh/9p/relay.ts";
import { openTcpHive, type TcpHive } from "../transports/tcp-hive.ts";

/** Tversion, tag NOTAG, msize 8192, 9P2000.L. */
const TVERSION = Buffer.from([21, 0, 0, 0, 100, 255, 255, 0, 32, 0, 0, 8, 0, ...Buffer.from("9P2000.L")]);

describe("cohsh 9p", function () {
  this.timeout(20_000);
  let hive: TcpHive;
  let directory: string;
  let path: string;
  let relay: Relay;
  let said: string[];
  const sockets: Socket[] = [];

  beforeEach(async () => {
    hive = await openTcpHive();
    directory = mkdtempSync(join(tmpdir(), "cohsh-9p-"));
    path = join(directory, "hive");
    said = [];
    relay = make();
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await relay.close();
    await hive.close();
    rmSync(directory, { recursive: true });
  });

  function make(limit = 8, role: "queen" | "observer" = "queen", credential?: string): Relay {
    const way = {
      address: { host: "127.0.0.1", port: hive.port },
      token: () => hive.keys.token(),
      role,
      credential: () => (credential === undefined ? hive.keys.find(role, undefined) : { credential }),
    };
    return new Relay({
      path,
      attach: (signal) => attach9p(way, signal),
      patienceMs: 5000,
      said: (sentence) => said.push(sentence),
      limit,
    });
  }

  function dial(): Socket {
    const socket = connect(path);
    socket.on("error", () => undefined);
    sockets.push(socket);
    return socket;
  }

  /** What comes first, or "closed". */
  function first(socket: Socket): Promise<Buffer | "closed"> {
    return new Promise((resolve) => {
      socket.once("data", resolve);
      socket.once("close", () => resolve("closed"));
    });
  }

  it("lets a 9P client speak with the hive from its first byte on, and is its user's alone", async () => {
    await relay.listen();
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    const socket = dial();
    socket.write(TVERSION);
    const reply = await first(socket);
    if (reply === "closed") throw new Error(said.join());
    expect(reply[4]).to.equal(101);
    expect(reply.toString("latin1")).to.match(/9P2000\.L$/);
    expect(said).to.deep.equal([]);
  });

  it("gives each client a session of its own, and turns away who is too many", async () => {
    await relay.close();
    relay = make(2);
    await relay.listen();
    const [one, two] = [dial(), dial()];
    for (const socket of [one, two]) {
      socket.write(TVERSION);
      expect(await first(socket)).to.not.equal("closed");
    }
    expect(await first(dial())).to.equal("closed");
    expect(said).to.deep.equal(["a connection was turned away: there are 2 already"]);
    one.destroy();
    while (relay.clients > 1) await new Promise((resolve) => setTimeout(resolve, 5));
    const again = dial();
    again.write(TVERSION);
    expect(await first(again)).to.not.equal("closed");
  });

  it("ends with its hive's connection, and lets the next client in", async () => {
    await relay.listen();
    const socket = dial();
    socket.write(TVERSION);
    await first(socket);
    hive.cut();
    expect(await first(socket)).to.equal("closed");
    const next = dial();
    next.write(TVERSION);
    expect(await first(next)).to.not.equal("closed");
  });

  it("says why the hive does not let it in, without the credential", async () => {
    await relay.close();
    relay = make(8, "queen", "cohesix-ticket-00.00");
    await relay.listen();
    expect(await first(dial())).to.equal("closed");
    expect(said).to.deep.equal([`the hive at 127.0.0.1:${hive.port} refuses queen: denied`]);
  });

  it("takes the place of a relay that was killed, and of nothing else", async () => {
    writeFileSync(path, "");
    const failure = async (): Promise<string> => {
      try {
        await relay.listen();
      } catch (error) {
        if (error instanceof Error) return error.message;
      }
      return "it listens";
    };
    expect(await failure()).to.equal(`${path} is there and is no socket`);
    rmSync(path);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(path, resolve));
    expect(await failure()).to.equal(`somebody listens at ${path} already`);
    await new Promise((resolve) => other.close(resolve));
    const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
    await new Promise((resolve) => spawn(process.execPath, ["-e", script]).on("exit", resolve));
    expect(existsSync(path)).to.equal(true);
    expect(await failure()).to.equal("it listens");
    await relay.close();
    expect(existsSync(path)).to.equal(false);
  });
});
