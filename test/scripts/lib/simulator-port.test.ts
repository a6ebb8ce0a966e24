import { expect } from "chai";
import { once } from "node:events";
import { createServer } from "node:net";
import { Machine } from "../../../engine/sim/machine.ts";
import { hostAddress, publishConsole } from "../../../scripts/lib/simulator-port.ts";
import { manifestText, manifestWith } from "../../services/main/hive.ts";

/** A machine that has nothing to do. */
const idle = (): Machine =>
  new Machine({ source: "export function turn() { return Infinity; }", clock: "real", net: {} });

const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

describe("the port of a hive in the simulator", () => {
  it("is QEMU's by default, and none with --net none or --tcp-port none", () => {
    expect(hostAddress({})).to.deep.equal({ host: "127.0.0.1", port: 31337 });
    expect(hostAddress({ net: "user", port: "65535", bind: "0.0.0.0" })).to.deep.equal({
      host: "0.0.0.0",
      port: 65535,
    });
    expect(hostAddress({ port: "0" })).to.deep.equal({ host: "127.0.0.1", port: 0 });
    expect(hostAddress({ net: "none" })).to.equal(undefined);
    expect(hostAddress({ port: "none", bind: "10.0.0.1" })).to.equal(undefined);
  });

  for (const [options, sentence] of [
    [{ net: "tap" }, "--net tap: the simulator has only none and user"],
    [{ port: "65536" }, "--tcp-port 65536: a number from 1 to 65535, 0 for a free one, or none"],
    [{ port: "00" }, "--tcp-port 00: a number from 1 to 65535, 0 for a free one, or none"],
    [{ port: "-1" }, "--tcp-port -1: a number from 1 to 65535, 0 for a free one, or none"],
    [{ port: "" }, "--tcp-port : a number from 1 to 65535, 0 for a free one, or none"],
    [{ bind: "localhost" }, "--bind localhost: an IPv4 address of this machine, or 0.0.0.0 for all of them"],
    [{ bind: "1.2.3" }, "--bind 1.2.3: an IPv4 address of this machine, or 0.0.0.0 for all of them"],
  ] as const) {
    it(`is refused with ${JSON.stringify(options)}`, () => {
      expect(() => hostAddress(options)).to.throw(Error, sentence);
    });
  }

  it("says where it is, and warns where others reach it", async () => {
    for (const [host, warned] of [
      ["127.0.0.1", false],
      ["0.0.0.0", true],
    ] as const) {
      const said: string[] = [];
      const published = await publishConsole(idle(), manifestText, { host, port: 0 }, (text) => said.push(text));
      await published?.close();
      const port = published?.port ?? 0;
      expect(port).to.be.greaterThan(0);
      expect(said.at(-1)).to.equal(`attach with: cohsh --transport tcp --host 127.0.0.1 --port ${port}`);
      const warnings = said.filter((text) => text.startsWith(`warning: the console's port ${port} is open to whoever`));
      expect(warnings).to.have.length(warned ? 1 : 0);
    }
  });

  it("says what to do when another program has it, or the address is another machine's", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const say = (text: string): never => expect.fail(`said: ${text}`);
    expect(await failure(publishConsole(idle(), manifestText, { host: "127.0.0.1", port }, say))).to.equal(
      `port ${port} on 127.0.0.1 is in use by another program: give another with --tcp-port or --bind, or --tcp-port none`,
    );
    other.close();
    // TEST-NET-3 (RFC 5737).
    expect(await failure(publishConsole(idle(), manifestText, { host: "203.0.113.9", port: 0 }, say))).to.equal(
      "203.0.113.9 is no address of this machine: give another with --tcp-port or --bind, or --tcp-port none",
    );
  });

  it("is none where the manifest turns the network off", async () => {
    const said: string[] = [];
    const manifest = manifestWith({ network: { mode: "none" } });
    const published = await publishConsole(idle(), manifest, { host: "127.0.0.1", port: 0 }, (text) => said.push(text));
    expect(published).to.equal(undefined);
    expect(said).to.deep.equal(["the hive has no TCP console: its network is off by manifest"]);
  });

  it("is refused to a machine in virtual time", async () => {
    const machine = new Machine({ source: "export function turn() { return Infinity; }", net: {} });
    expect(
      await failure(publishConsole(machine, manifestText, { host: "127.0.0.1", port: 0 }, () => undefined)),
    ).to.match(/^a machine in virtual time has no port on the host/);
  });
});
