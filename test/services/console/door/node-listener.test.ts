import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { expectNoErrors, TestHive, TOKEN } from "../../hive/support.ts";
import { type OpenDoor, openDoor } from "./node-listener.ts";
import { frame, linesOf } from "./wire.ts";

describe("console door on a real socket", () => {
  let door: OpenDoor;
  let all: TestHive;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    all = new TestHive();
    door = await openDoor(all, { port: 0 });
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await door.close();
    expectNoErrors();
  });

  function dial(): Socket {
    const socket = connect({ port: door.port, host: "127.0.0.1" });
    socket.on("error", () => undefined);
    sockets.push(socket);
    return socket;
  }

  /** Say it, and all that comes until the other side has nothing more to say. */
  async function talk(...texts: string[]): Promise<string[]> {
    const socket = dial();
    socket.write(Buffer.concat(texts.map(frame)));
    let come = Buffer.alloc(0);
    socket.on("data", (bytes: Buffer) => (come = Buffer.concat([come, bytes])));
    await new Promise((settle) => socket.on("close", settle));
    return linesOf(come);
  }

  it("authenticates, attaches, answers and says good-bye", async () => {
    const ticket = all.ticket("queen");
    const come = await talk(
      `AUTH ${TOKEN}`,
      `ATTACH queen ${ticket}`,
      "PING",
      "ECHO /log/queen.log hello",
      "LOG",
      "QUIT",
    );
    expect(come.slice(0, 6)).to.deep.equal([
      "OK AUTH",
      "OK ATTACH role=queen",
      "OK PING reply=pong",
      "PONG",
      "OK ECHO path=/log/queen.log bytes=6",
      "OK LOG",
    ]);
    expect(come.at(-3)).to.match(/ hello$/);
    expect(come.slice(-2)).to.deep.equal(["END", "OK QUIT"]);
    expect(all.hive.sessions()).to.deep.equal([]);
  });

  it("turns a wrong token away", async () => {
    expect(await talk("AUTH wrong", "PING")).to.deep.equal(["ERR AUTH reason=policy detail=denied"]);
  });
});
