import { createServer, type Server, type Socket } from "node:net";
import { expect } from "chai";
import { acknowledged, DoorWire, frames, streamEnds } from "../../../scripts/lib/door-wire.ts";

/** A door that says what it is told to say to whatever comes. */
async function door(answer: (socket: Socket, question: Buffer) => void): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.on("data", (question) => answer(socket, question)));
  await new Promise<void>((settle) => server.listen(0, "127.0.0.1", settle));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return { server, port: address.port };
}

async function failure(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "it did not fail",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

describe("the benchmark's client of the console over TCP", () => {
  let server: Server;
  let wire: DoorWire;
  const open = async (answer: (socket: Socket, question: Buffer) => void): Promise<void> => {
    const opened = await door(answer);
    server = opened.server;
    wire = await DoorWire.open(opened.port);
  };
  afterEach(() => {
    wire.close();
    server.close();
  });

  it("sends lines as frames and hears lines however they are cut", async () => {
    const asked: string[] = [];
    await open((socket, question) => {
      asked.push(question.toString("latin1"));
      const answer = frames("OK PING reply=pong", "PONG", "ü");
      for (const byte of answer) socket.write(Buffer.of(byte));
    });
    const heard: [string, number][] = [];
    await wire.ask(frames("PING"), (line, bytes) => heard.push([line, bytes]) === 3);
    expect(asked).to.deep.equal(["\x08\0\0\0PING"]);
    expect(heard).to.deep.equal([
      ["OK PING reply=pong", 18],
      ["PONG", 4],
      ["ü", 2],
    ]);
  });

  it("fails with what the hive said if that is a refusal", async () => {
    await open((socket) => socket.write(frames("ERR LS reason=policy")));
    expect(await failure(wire.ask(frames("LS /"), streamEnds))).to.equal("the hive answers ERR LS reason=policy");
    expect(await failure(wire.ask(frames("LS /"), acknowledged))).to.equal("the hive answers ERR LS reason=policy");
  });

  it("fails if the hive closes, sends no frame or says nothing", async () => {
    await open((socket) => socket.destroy());
    expect(await failure(wire.ask(frames("PING"), () => true))).to.equal("the hive has closed the connection");
    server.close();
    await open((socket) => socket.write(Buffer.alloc(4)));
    expect(await failure(wire.ask(frames("PING"), () => true))).to.equal("a false length");
    server.close();
    await open(() => undefined);
    expect(await failure(wire.ask(frames("PING"), () => true, 20))).to.equal("no answer within 20 ms");
  });

  it("hands the connection over with what came behind the last line", async () => {
    await open((socket) => socket.write(Buffer.concat([frames("OK SECURE9P msize=8192"), Buffer.from("9P")])));
    let rest: Uint8Array | undefined;
    await wire.ask(frames("SECURE9P"), (line) => {
      rest = wire.release().rest;
      return acknowledged(line);
    });
    expect(Buffer.from(rest ?? []).toString()).to.equal("9P");
  });
});
