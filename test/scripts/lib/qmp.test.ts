import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { QmpSession } from "../../../scripts/lib/qmp.ts";

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe("QmpSession", () => {
  let folder: string;
  let server: Server;
  let monitor: string;
  const asked: string[] = [];
  let peer: Socket | undefined;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "qmp-test-"));
    monitor = join(folder, "monitor");
    asked.length = 0;
    server = createServer((socket) => {
      peer = socket;
      socket.write('{"QMP": {"version": {}}}\r\n');
      socket.on("data", (bytes) => {
        const line = bytes.toString("utf8").trim();
        asked.push(line);
        if (line.includes("close")) socket.destroy();
        // An event in between, and a reply in two pieces.
        else if (line.includes("refused")) socket.write('{"error": {"class": "DeviceNotFound"}}\r\n');
        else {
          socket.write('{"event": "NIC_RX_FILTER_CHANGED"}\r\n{"ret');
          setImmediate(() => socket.write('urn": {"n": 1}}\r\n'));
        }
      });
    }).listen(monitor);
    await new Promise((ready) => server.once("listening", ready));
  });
  afterEach(async () => {
    peer?.destroy();
    await new Promise((closed) => server.close(closed));
    rmSync(folder, { recursive: true });
  });

  it("asks for capabilities first, then gives commands with their arguments and returns what they do", async () => {
    const session = await QmpSession.open(monitor, process.pid, 5000);
    expect(await session.execute("set_link", { name: "net0", up: false })).to.deep.equal({ n: 1 });
    expect(asked).to.deep.equal([
      '{"execute":"qmp_capabilities","arguments":{}}',
      '{"execute":"set_link","arguments":{"name":"net0","up":false}}',
    ]);
    session.close();
  });

  it("fails with QEMU's words, goes on, and says when QEMU is gone", async () => {
    const session = await QmpSession.open(monitor, process.pid, 5000);
    expect(await failure(session.execute("refused"))).to.equal('QMP: {"class":"DeviceNotFound"}');
    expect(await session.execute("again")).to.deep.equal({ n: 1 });
    expect(await failure(session.execute("close"))).to.equal("QEMU closed its monitor");
    expect(await failure(session.execute("more"))).to.equal("QEMU closed its monitor");
  });
});
