import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { attach9p, type AttachOptions } from "../../../cohsh/9p/attach.ts";
import { keepExported } from "../../../cohsh/export/exporter.ts";
import { Folder } from "../../../cohsh/export/folder.ts";
import { serve } from "../../../cohsh/export/serve.ts";
import { Client } from "../../../services/secure9p/client.ts";
import { nodeBytes } from "../../../scripts/lib/node-bytes.ts";
import { openTcpHive, type TcpHive } from "../transports/tcp-hive.ts";
import { HiveReader } from "./reader.ts";

describe("cohsh export: a hive that reads a folder", function () {
  this.timeout(20_000);
  let hive: TcpHive;
  let folder: string;
  let leave: AbortController;
  const running: Promise<unknown>[] = [];
  const said: string[] = [];

  beforeEach(async () => {
    hive = await openTcpHive();
    folder = mkdtempSync(join(tmpdir(), "cohsh-exporter-"));
    writeFileSync(join(folder, "notes"), "one\ntwo\n");
    leave = new AbortController();
    said.length = 0;
  });
  afterEach(async () => {
    leave.abort();
    await Promise.allSettled(running.splice(0));
    await hive.close();
    rmSync(folder, { recursive: true });
  });

  async function start(name = "files", more: Partial<AttachOptions> = {}, silenceMs?: number): Promise<void> {
    const way: AttachOptions = {
      address: { host: "127.0.0.1", port: hive.port },
      role: "service",
      token: () => hive.keys.token(),
      credential: () => hive.keys.find("service", name),
      service: name,
      ...more,
    };
    const tree = await Folder.at(folder);
    const kept = keepExported(
      {
        tree,
        attach: (signal) => attach9p(way, signal),
        renew: () => hive.keys.renew(),
        patienceMs: 5000,
        backOff: { first: 50, most: 200 },
        up: (again) => said.push(again ? "again" : "up"),
        down: (why) => said.push(why.replace(String(hive.port), "PORT")),
        ...(silenceMs === undefined ? {} : { silenceMs }),
      },
      leave.signal,
    );
    kept.catch(() => undefined);
    running.push(kept);
  }

  async function until(what: string, count = 1): Promise<void> {
    while (said.filter((line) => line === what).length < count) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  it("sees its files under the mount, whole, and again after the connection was cut", async () => {
    const big = randomBytes(200_000);
    writeFileSync(join(folder, "big"), big);
    await start();
    await until("up");
    const reader = await HiveReader.queen(hive.port, hive.keys);
    await reader.mount("files", "/mnt");
    expect(await reader.say("CAT /mnt/notes")).to.deep.equal([
      "OK CAT path=/mnt/notes data=one|two",
      "one",
      "two",
      "END",
    ]);
    expect(await reader.say("ECHO /mnt/notes three")).to.deep.equal([
      "ERR ECHO reason=policy detail=denied path=/mnt/notes error=EPERM",
    ]);
    const nine = await reader.secure9p();
    expect((await nine.cat(["mnt", "big"])).equals(big)).to.equal(true);
    hive.cut();
    await until("again");
    expect(said).to.have.length(3);
    expect(said[1]).to.match(/^the hive (broke|closed) the connection/);
    const next = await HiveReader.queen(hive.port, hive.keys);
    await next.mount("files", "/mnt");
    expect((await next.say("LS /mnt"))[0]).to.equal("OK LS path=/mnt entries=2");
    next.close();
  });

  it("is not asked again where it will say no again", async () => {
    for (const [name, more, sentence] of [
      ["files", { credential: () => ({ credential: "cohesix-ticket-00.00" }) }, "refuses service: denied"],
      ["files", { token: () => ({ credential: "wrong" }) }, "refuses the token: the credentials are another hive's"],
      ["files", { token: () => ({ missing: "There is none." }) }, "There is none."],
      ["files", { service: "other" }, "refuses other: denied"],
      ["log", {}, "refuses log: denied"],
    ] as const) {
      await start(name, more);
      const failure = await running.at(-1)!.then(
        () => "none",
        (error: unknown) => (error as Error).message,
      );
      expect(failure).to.contain(sentence);
    }
    expect(said).to.deep.equal([]);
  });

  it("is looked for while somebody else has the name, and has it then", async () => {
    await start();
    await until("up");
    const second = leave;
    const first = new AbortController();
    // The second of the name.
    await start();
    await until("the hive at 127.0.0.1:PORT refuses files: busy", 2);
    leave = first;
    second.abort();
    await Promise.all(running.splice(0));
    said.length = 0;
    await start();
    await until("up");
  });

  it("is left when it asks for nothing any more", async () => {
    await start("files", {}, 300);
    await until("the hive asks for nothing any more", 2);
    expect(said.slice(0, 3)).to.deep.equal(["up", "the hive asks for nothing any more", "again"]);
  });

  it("may ask for more than it takes, and gets all of it", async () => {
    const tree = await Folder.at(folder);
    const big = randomBytes(8000);
    writeFileSync(join(folder, "big"), big);
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const [socket, asking] = await Promise.all([accepted(server), connected(port)]);
    const ended = serve({ socket, rest: new Uint8Array(0) }, tree, leave.signal);
    const client = new Client({ bytes: nodeBytes, tags: 60, unsentBytes: 1 << 20 });
    const send = (): void => {
      while (client.unsent > 0) {
        asking.write(client.out.slice(client.start, client.start + client.run));
        client.sent(client.run);
      }
    };
    asking.on("data", (bytes: Buffer) => client.receive(bytes, 0, bytes.length));
    const ask = (make: (done: () => void) => unknown): Promise<void> =>
      new Promise((resolve) => {
        make(() => resolve());
        send();
      });
    await ask((done) => client.version(done));
    await ask((done) => client.attach(0, "", "", done));
    await ask((done) => client.walk(0, 1, ["big"], done));
    await ask((done) => client.open(1, 0, done));
    // Answers pile up, for nobody takes them.
    asking.pause();
    let got = 0;
    let wrong = 0;
    const wanted = 1200;
    let made = 0;
    const more = (): void => {
      while (made < wanted && client.read(1, 0, 8000, took) >= 0) made++;
      send();
    };
    const took = (reply: { data: { bytes: Uint8Array; start: number; length: number } }): void => {
      got++;
      const { bytes, start, length } = reply.data;
      if (!big.equals(bytes.subarray(start, start + length))) wrong++;
    };
    more();
    await new Promise((resolve) => setTimeout(resolve, 200));
    asking.resume();
    while (got < wanted) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      more();
    }
    expect(wrong).to.equal(0);
    asking.destroy();
    expect(await ended).to.match(/closed the connection|broke the connection/);
    server.close();
  });

  it("that speaks no 9P is left", async () => {
    const tree = await Folder.at(folder);
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const [socket, asking] = await Promise.all([accepted(server), connected(port)]);
    asking.on("error", () => undefined);
    asking.resume();
    asking.write(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    expect(await serve({ socket, rest: new Uint8Array(0) }, tree, leave.signal)).to.equal("speaks no 9P");
    server.close();
  });
});

async function accepted(server: Server): Promise<Socket> {
  const [socket] = (await once(server, "connection")) as [Socket];
  return socket;
}

async function connected(port: number) {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}
