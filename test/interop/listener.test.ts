import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { NOFID, NOTAG, O_RDONLY, VERSION } from "../../services/secure9p/constants.ts";
import { Session } from "../../services/secure9p/session.ts";
import { nodeBytes } from "../services/support/ports.ts";
import { concat, frame, TestTree } from "../services/secure9p/fixture.ts";
import { Listener } from "./listener.ts";

const SIZE = 8000;

/** A connection that has opened fid 1, a file of {@link SIZE} bytes. */
async function opened(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await new Promise((settle) => socket.once("connect", settle));
  socket.write(
    concat(
      frame(100, NOTAG, { msize: 8192, version: VERSION }),
      frame(104, 1, { fid: 0, afid: NOFID, aname: "" }),
      frame(110, 1, { fid: 0, newfid: 1, names: ["file"] }),
      frame(12, 1, { fid: 1, flags: O_RDONLY }),
    ),
  );
  return socket;
}

async function soon(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((settle) => setTimeout(settle, 5));
}

describe("the listener of the checks", () => {
  let listener: Listener;
  let tree: TestTree;
  const serve = async (patienceMs: number): Promise<number> => {
    tree = new TestTree();
    tree.root.file("file", "x".repeat(SIZE));
    listener = await Listener.open(0, {
      session: (failed) => new Session({ tree, bytes: nodeBytes, failed }),
      patienceMs,
    });
    return listener.port;
  };
  const reads = (count: number): Uint8Array =>
    concat(...Array.from({ length: count }, () => frame(116, 1, { fid: 1, offset: 0, count: SIZE })));

  afterEach(async () => {
    await listener.close();
    expect(listener.problems).to.deep.equal([]);
    expect(tree.opened).to.equal(tree.closed);
  });

  it("reads no more of a peer that takes no replies, and drops it when that lasts", async () => {
    const socket = await opened(await serve(200));
    socket.pause();
    const asked = 20_000; // 160 MB of replies, more than any socket buffers
    socket.write(reads(asked));
    await soon(() => listener.sessions[0]?.heldBack === true);
    const [session] = listener.sessions;
    expect(session?.unsent).to.be.at.most(65_536);
    await soon(() => listener.sessions.length === 0);
    expect(session?.counters.requests).to.be.below(asked);
    expect([session?.fids, session?.ended]).to.deep.equal([0, true]);
    socket.destroy();
  });

  it("goes on with a peer that takes its replies late", async () => {
    const socket = await opened(await serve(10_000));
    socket.pause();
    const asked = 4000;
    socket.write(reads(asked));
    await soon(() => listener.sessions[0]?.heldBack === true);
    let bytes = 0;
    socket.on("data", (more: Buffer) => (bytes += more.length));
    socket.resume();
    const openings = 19 + 2 + 20 + 22 + 24;
    await soon(() => bytes >= asked * (SIZE + 11));
    expect(bytes).to.be.within(asked * (SIZE + 11), asked * (SIZE + 11) + openings);
    socket.destroy();
    await soon(() => listener.sessions.length === 0);
  });

  it("ends the session of a peer that goes away in the middle of a frame", async () => {
    const socket = await opened(await serve(10_000));
    socket.write(reads(1).subarray(0, 9));
    await soon(() => listener.sessions[0]?.partial === true && listener.sessions[0].fids === 2);
    socket.destroy();
    await soon(() => listener.sessions.length === 0);
  });

  it("answers a false length, and then closes", async () => {
    const socket = await opened(await serve(10_000));
    const closed = new Promise((settle) => socket.once("close", settle));
    const parts: Buffer[] = [];
    socket.on("data", (more: Buffer) => parts.push(more));
    socket.write(Uint8Array.from([0xff, 0xff, 0xff, 0xff, 116, 7, 0]));
    await closed;
    expect(Buffer.concat(parts).subarray(-11).toString("hex")).to.equal("0b0000000707005a000000");
  });

  it("sends what a provider answers later", async () => {
    const socket = await opened(await serve(10_000));
    tree.root.children.get("file")!.io = "park";
    socket.write(reads(1));
    await soon(() => tree.parked.length === 1);
    const answer = new Promise<Buffer>((settle) => {
      let all = Buffer.alloc(0);
      socket.on("data", (more: Buffer) => {
        all = Buffer.concat([all, more]);
        if (all.includes("late")) settle(all);
      });
    });
    const request = tree.unpark();
    request.put(Buffer.from("late"), 0, 4);
    request.done();
    await answer;
    socket.destroy();
    await soon(() => listener.sessions.length === 0);
  });
});
