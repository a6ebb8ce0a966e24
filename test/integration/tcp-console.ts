/**
 * What the TCP console of every hive does, whatever machine the hive is on: the suite that all of them run, over a port of the
 * loopback.
 */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { ConsoleWire } from "./console-wire.ts";
import type { ListeningHive } from "./listening-hive.ts";

const HEADER = 4;

/** @param started the hive, once the suite's tests run */
export function tcpConsole(started: () => ListeningHive): void {
  const { token, tickets } = (() => {
    try {
      return readCredentials(readFileSync(credentialsPath, "utf8"));
    } catch {
      return { token: "", tickets: { queen: "" } };
    }
  })();

  const authenticated = async (): Promise<ConsoleWire> => {
    const wire = await ConsoleWire.open(started().port);
    wire.send(`AUTH ${token}`);
    expect(await wire.line()).to.equal("OK AUTH");
    return wire;
  };
  const attached = async (): Promise<ConsoleWire> => {
    const wire = await authenticated();
    wire.send(`ATTACH queen ${tickets.queen}`);
    expect(await wire.line()).to.equal("OK ATTACH role=queen");
    return wire;
  };

  it("asks for the token, then for a ticket, and tells nobody else anything", async () => {
    const wire = await ConsoleWire.open(started().port);
    wire.send("AUTH wrong");
    expect(await wire.line()).to.equal("ERR AUTH reason=policy detail=denied");
    expect(await wire.line()).to.equal(undefined);
    const early = await ConsoleWire.open(started().port);
    early.send("PING");
    expect(await early.line()).to.equal("ERR AUTH reason=policy detail=denied");
    expect(await early.line()).to.equal(undefined);
    const known = await authenticated();
    known.send("LS /", `ATTACH queen ${token}`, "QUIT");
    expect(await known.lines(2)).to.deep.equal([
      "ERR LS reason=policy detail=unauthenticated",
      // Over TCP the token stands for no ticket.
      "ERR ATTACH reason=policy detail=denied",
    ]);
    expect(await known.line()).to.equal("OK QUIT");
    expect(await known.line()).to.equal(undefined);
  });

  it("answers each of many frames that came at once, and many clients", async () => {
    const wires = await Promise.all(Array.from({ length: 8 }, () => attached()));
    for (const wire of wires) wire.send(...Array.from({ length: 8 }, () => "PING"));
    for (const wire of wires) {
      const lines = await wire.lines(16);
      expect(lines.filter((line) => line === "PONG")).to.have.length(8);
      expect(lines.filter((line) => line === "OK PING reply=pong")).to.have.length(8);
      wire.close();
    }
  });

  it("refuses what is no line, executes none of it, and goes on where it can", async () => {
    const wire = await attached();
    wire.send("x".repeat(8400));
    expect(await wire.line()).to.equal("ERR FRAME reason=policy detail=invalid-length");
    wire.send("ECHO /log/queen.log a\nb");
    expect(await wire.line()).to.equal("ERR PARSE reason=policy detail=invalid-character");
    wire.send("frobnicate");
    expect(await wire.line()).to.equal("ERR PARSE reason=policy detail=unsupported console command");
    wire.send("PING");
    expect(await wire.lines(2)).to.deep.equal(["OK PING reply=pong", "PONG"]);
    const huge = Buffer.alloc(HEADER);
    huge.writeUInt32LE(0x7fffffff);
    wire.raw(huge);
    expect(await wire.line()).to.equal("ERR FRAME reason=policy detail=invalid-length");
    expect(await wire.line()).to.equal(undefined);
  });

  it("spawns, follows, kills, and audits who did it from where", async () => {
    const wire = await attached();
    wire.send('SPAWN {"spawn":"heartbeat"}');
    const id = /^OK SPAWN id=(worker-\d+)$/.exec((await wire.line()) ?? "")?.[1];
    expect(id).to.not.equal(undefined);
    wire.send(`TAIL -f /worker/${id}/telemetry`);
    expect(await wire.lines(3)).to.deep.equal([`OK TAIL path=/worker/${id}/telemetry`, "heartbeat 1", "heartbeat 2"]);
    wire.send("STOP");
    await wire.stream();
    expect(await wire.line()).to.match(/^OK STOP/);
    wire.send(`KILL ${id}`, "LOG");
    expect(await wire.line()).to.equal(`OK KILL id=${id}`);
    const log = (await wire.stream()).join("\n");
    expect(log).to.match(/login: admitted role=queen session=\d+ from=tcp 10\.0\.2\.2 by=ticket/);
    expect(log).to.match(new RegExp(`worker: ${id} killed; destroyed`));
    expect(log).to.not.contain(token);
    wire.close();
  });

  it("serves again after clients were cut off in the middle of a frame", async () => {
    for (let i = 0; i < 40; i++) {
      const wire = await authenticated();
      wire.raw(Buffer.from([200, 0, 0, 0, 0x45]));
      wire.close();
    }
    const wire = await attached();
    wire.send("CAT /proc/boot");
    expect((await wire.stream())[0]).to.match(/^OK CAT path=\/proc\/boot data=/);
    wire.send("QUIT");
    expect(await wire.line()).to.equal("OK QUIT");
  });
}
