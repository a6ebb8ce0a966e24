import { expect } from "chai";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SerialTransport } from "../../../cohsh/transports/serial.ts";

const PROMPT = "cohesix> ";

/** A console on a wire: echoes, answers a few verbs, keeps a login and a stream as a hive would. */
class Stub {
  /** Lines taken. */
  readonly lines: string[] = [];
  login = "";
  #stream = false;
  #typed: string;
  readonly #write: (text: string) => void;

  constructor(write: (text: string) => void, options: { typed?: string; login?: string; stream?: boolean } = {}) {
    this.#write = write;
    this.#typed = options.typed ?? "";
    this.login = options.login ?? "";
    this.#stream = options.stream ?? false;
  }

  take(bytes: Uint8Array): void {
    for (const character of Buffer.from(bytes).toString("utf8")) {
      if (character === "\x03") {
        this.#typed = "";
        this.#write(`^C\r\n${this.#stream ? "" : PROMPT}`);
      } else if (character === "\r") {
        this.#write("\r\n");
        this.#answer(this.#typed);
        this.#typed = "";
        if (!this.#stream) this.#write(PROMPT);
      } else {
        this.#typed += character;
        this.#write(character);
      }
    }
  }

  #answer(line: string): void {
    this.lines.push(line);
    if (this.#stream && line !== "stop") return;
    const answers: Readonly<Record<string, string>> = {
      "": "ERR PARSE reason=policy detail=empty command",
      ping: "OK PING reply=pong\r\nPONG",
      quit: "OK QUIT",
      stop: this.#stream ? "END\r\nOK STOP" : "ERR STOP reason=policy detail=unauthenticated",
    };
    if (line === "stop") this.#stream = false;
    if (line === "quit") this.login = "";
    this.#write(`${answers[line] ?? "ERR PARSE reason=policy detail=unsupported console command"}\r\n`);
  }
}

class Ear {
  readonly replies: string[] = [];
  readonly ends: string[] = [];
  #wake: (() => void) | undefined;

  reply(line: string): void {
    this.replies.push(line);
    this.#wake?.();
  }

  log(): void {}

  ended(reason: string): void {
    this.ends.push(reason);
    this.#wake?.();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
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

const PATIENCE = { again: 50, goodbye: 200 };
const patient = (): AbortSignal => AbortSignal.timeout(10_000);

describe("transport serial", function () {
  this.timeout(20_000);
  let directory: string;
  let path: string;
  let server: Server | undefined;
  let sockets: Socket[];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cohsh-serial-"));
    path = join(directory, "line");
    sockets = [];
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    server?.close();
    server = undefined;
    rmSync(directory, { recursive: true });
  });

  async function listen(serve: (socket: Socket) => void): Promise<void> {
    server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined);
      serve(socket);
    });
    await new Promise<void>((resolve) => server?.listen(path, resolve));
  }

  async function console_(options: ConstructorParameters<typeof Stub>[1] = {}): Promise<{ stub: Stub }> {
    const made: { stub: Stub } = { stub: new Stub(() => undefined) };
    await listen((socket) => {
      made.stub = new Stub((text) => socket.write(text), options);
      socket.on("data", (bytes) => made.stub.take(bytes));
    });
    return made;
  }

  describe("on a unix socket", () => {
    it("brings answers without echo and prompt", async () => {
      await console_();
      const transport = new SerialTransport(path, PATIENCE);
      const ear = new Ear();
      await transport.open(ear, patient());
      transport.send("ping");
      await ear.until(() => ear.replies.includes("PONG"));
      expect(ear.replies).to.deep.equal(["OK PING reply=pong", "PONG"]);
      await transport.close();
      expect(ear.ends).to.deep.equal([]);
      expect(transport.connected).to.equal(false);
    });

    it("ends what was left on the line before the first command, and its own login at the end", async () => {
      const made = await console_({ typed: "kill worker-1", login: "queen", stream: true });
      const transport = new SerialTransport(path, PATIENCE);
      await transport.open(new Ear(), patient());
      expect(made.stub.login).to.equal("");
      expect(made.stub.lines).to.not.include("kill worker-1");
      made.stub.login = "queen";
      await transport.close();
      expect(made.stub.login).to.equal("");
      expect(made.stub.lines.at(-1)).to.equal("quit");
    });

    it("speaks again to a line that was not up yet", async () => {
      let heard = 0;
      await listen((socket) => {
        const stub = new Stub((text) => socket.write(text));
        socket.on("data", (bytes) => {
          if (++heard > 3) stub.take(bytes);
        });
      });
      const transport = new SerialTransport(path, PATIENCE);
      await transport.open(new Ear(), patient());
      await transport.close();
      expect(heard).to.be.greaterThan(3);
    });

    it("says in one sentence that no hive answers, and leaves nothing", async () => {
      await listen((socket) => socket.resume());
      const transport = new SerialTransport(path, PATIENCE);
      expect(await message(transport.open(new Ear(), AbortSignal.timeout(200)))).to.equal(
        `no hive answers at ${path}: it may be off, or another program may be on the line`,
      );
      expect(transport.connected).to.equal(false);
      await transport.close();
    });

    it("announces once that the line is gone, and takes no line then", async () => {
      await console_();
      const transport = new SerialTransport(path, PATIENCE);
      const ear = new Ear();
      await transport.open(ear, patient());
      for (const socket of sockets) socket.destroy();
      await ear.until(() => ear.ends.length > 0);
      expect(ear.ends).to.deep.equal([`the serial line ${path} is gone: its other end was closed`]);
      expect(() => transport.send("ping")).to.throw("not open");
      await transport.close();
      expect(ear.ends).to.have.length(1);
    });

    it("is gone while it is being opened, in one sentence", async () => {
      await listen((socket) => socket.destroy());
      const transport = new SerialTransport(path, PATIENCE);
      expect(await message(transport.open(new Ear(), patient()))).to.equal(
        `the serial line ${path} is gone: its other end was closed`,
      );
    });

    it("says in one sentence why there is no line", async () => {
      const opened = (where: string): Promise<string> =>
        message(new SerialTransport(where, PATIENCE).open(new Ear(), patient()));
      expect(await opened(path)).to.equal(`there is no ${path}`);
      writeFileSync(path, "");
      expect(await opened(path)).to.equal(`${path} is neither a terminal line nor a unix socket`);
      rmSync(path);
      expect(await opened("/dev/null")).to.equal("/dev/null is no terminal line");
      // A socket whose server died leaves its name behind.
      const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
      spawnSync(process.execPath, ["-e", script]);
      expect(await opened(path)).to.equal(`nobody listens at ${path}`);
      if (process.getuid?.() !== 0) {
        chmodSync(path, 0);
        expect(await opened(path)).to.equal(`${path} may not be opened by this user`);
      }
    });

    it("cannot be opened twice, and takes no line before it is open", async () => {
      await console_();
      const transport = new SerialTransport(path, PATIENCE);
      expect(() => transport.send("ping")).to.throw("not open");
      await transport.open(new Ear(), patient());
      expect(await message(transport.open(new Ear(), patient()))).to.include("already");
      await transport.close();
      expect(await message(new SerialTransport(path, PATIENCE).open(new Ear(), AbortSignal.abort()))).to.match(
        /given up/,
      );
    });
  });

  // A pty needs a program that makes one; the other side of it is here.
  const PTY = `import os,pty,select,sys
m,s=pty.openpty()
print(os.ttyname(s),flush=True)
while True:
    r,_,_=select.select([m,0],[],[])
    if m in r: os.write(1,os.read(m,4096))
    if 0 in r:
        b=os.read(0,4096)
        if not b: sys.exit()
        os.write(m,b)
`;
  const python = spawnSync("python3", ["-c", "import pty"]).status === 0;
  (python ? describe : describe.skip)(`on a pty${python ? "" : " (skipped: no python3 that makes one)"}`, () => {
    it("sets it to raw, answers, and leaves it as it was", async () => {
      const pty = spawn("python3", ["-c", PTY], { stdio: ["pipe", "pipe", "inherit"] });
      try {
        const line = await new Promise<string>((resolve) =>
          pty.stdout.once("data", (bytes: Buffer) => resolve(bytes.toString("utf8").trim())),
        );
        const settings = (): string => spawnSync("stty", ["-a", "-F", line], { encoding: "utf8" }).stdout;
        const before = settings();
        const stub = new Stub((text) => pty.stdin.write(text));
        pty.stdout.on("data", (bytes: Buffer) => stub.take(bytes));
        const transport = new SerialTransport(line, PATIENCE);
        const ear = new Ear();
        await transport.open(ear, patient());
        expect(settings())
          .to.match(/-icanon/)
          .and.to.match(/-echo\b/);
        transport.send("ping");
        await ear.until(() => ear.replies.includes("PONG"));
        expect(ear.replies).to.deep.equal(["OK PING reply=pong", "PONG"]);
        await transport.close();
        expect(settings()).to.equal(before);
        const other = new SerialTransport(line, PATIENCE);
        await other.open(ear, patient());
        pty.kill("SIGKILL");
        await ear.until(() => ear.ends.length > 0);
        expect(ear.ends[0]).to.include(`the serial line ${line} is gone`);
        await other.close();
      } finally {
        pty.kill("SIGKILL");
      }
    });
  });
});
