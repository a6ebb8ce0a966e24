import { expect } from "chai";
import { O_RDONLY } from "../../services/secure9p/constants.ts";
import { auditLog, DoorHive } from "./door-hive.ts";
import type { ConsoleWire } from "./console-wire.ts";
import type { NineClient } from "./nine-client.ts";
import { needsQemu } from "./qemu-image.ts";

const HOUR_MS = 3_600_000;

/** A digit of the text, another one. */
function changed(ticket: string, at: number): string {
  const digit = ticket[at] === "0" ? "1" : "0";
  return ticket.slice(0, at) + digit + ticket.slice(at + 1);
}

describe("tickets at the door of a hive on seL4", function () {
  needsQemu(this);
  let hive: DoorHive;
  let queen: NineClient;
  let door: ConsoleWire;
  let seen = 0;
  before(async () => {
    hive = await DoorHive.boot();
    queen = await hive.nine("queen");
    door = await hive.door();
  });
  after(async () => {
    expect(await hive.end(), hive.process.messages).to.equal(0);
  });

  /** What the log has of logins and denials that it had not when this was asked before. */
  const audited = async (): Promise<string[]> => {
    const log = await auditLog(queen);
    const lines = log.slice(seen).filter((line) => /^(?:login|audit): /.test(line));
    seen = log.length;
    return lines;
  };
  const spawn = async (id: string): Promise<void> => {
    expect(await queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl")).to.equal("22");
    expect(await queen.open(`/worker/${id}/status`)).to.be.a("number");
  };

  it("are refused when their time was over before they came, and say so", async () => {
    await audited();
    const expired = hive.ticket("observer", { issuedAtMs: Date.now() - HOUR_MS, ttlS: 60 });
    for (let times = 0; times < 4; times++) {
      expect(await door.ask(`ATTACH observer ${expired}`)).to.equal(
        "ERR ATTACH reason=cut detail=expired error=ESHUTDOWN",
      );
    }
    expect(await audited()).to.deep.equal(
      Array.from(
        { length: 4 },
        () => "login: ticket refused role=observer why=its time (ttl_s) is over from=tcp 10.0.2.2",
      ),
    );
  });

  it("end their sessions when their time or their requests are over, and are good for nothing afterwards", async () => {
    const brief = hive.ticket("observer", { ttlS: 2 });
    const few = hive.ticket("observer", { issuedAtMs: 0, ops: 5 });
    const waiting = await hive.nine("observer", brief);
    const log = await waiting.opened("/log/boot.log.follow", O_RDONLY);
    let offset = 0;
    // Whatever comes until then, what waits at last is ended.
    for (let data = await waiting.read(log, 0); typeof data !== "string"; data = await waiting.read(log, offset)) {
      offset += data.length;
    }
    expect(await door.ask(`ATTACH observer ${brief}`)).to.equal("ERR ATTACH reason=cut detail=expired error=ESHUTDOWN");
    const counted = await hive.nine("observer", few);
    const fid = await counted.opened("/proc/time");
    for (let read = 3; read <= 5; read++) expect(String(await counted.read(fid, 0))).to.match(/^uptime_ms/);
    expect(await counted.read(fid, 0)).to.equal("!ESHUTDOWN");
    expect(await door.ask(`ATTACH observer ${few}`)).to.equal("ERR ATTACH reason=cut detail=revoked error=ESHUTDOWN");
    expect((await audited()).filter((line) => /revoked|refused/.test(line)).map(withoutNumbers)).to.deep.equal([
      "login: revoked role=observer session=<n> why=its time (ttl_s) is over",
      "login: ticket refused role=observer why=its time (ttl_s) is over from=tcp 10.0.2.2",
      "login: revoked role=observer session=<n> why=its requests (ops) are used up",
      "login: ticket refused role=observer why=its requests (ops) are used up from=tcp 10.0.2.2",
    ]);
  });

  it("of a worker are worth nothing once it was killed, nor for the one that comes next", async () => {
    await spawn("worker-1");
    const ticket = hive.ticket("worker-heartbeat", { subject: "worker-1" });
    expect(await door.ask(`ATTACH worker ${ticket}`)).to.equal("OK ATTACH role=worker-heartbeat");
    expect(await queen.echo('{"kill":"worker-1"}\n', "/queen/ctl")).to.equal("20");
    // The login has gone with the worker, which is said once, and leaves a stranger.
    expect(await door.ask("CAT /proc/boot")).to.equal("ERR CAT reason=cut detail=revoked error=ESHUTDOWN");
    expect(await door.ask("CAT /proc/boot")).to.equal("ERR CAT reason=policy detail=unauthenticated");
    expect(await door.ask(`ATTACH worker ${ticket}`)).to.equal("ERR ATTACH reason=cut detail=revoked error=ESHUTDOWN");
    await spawn("worker-2");
    expect(await door.ask(`ATTACH worker ${ticket}`)).to.equal("ERR ATTACH reason=cut detail=revoked error=ESHUTDOWN");
    const refused = (await audited()).filter((line) => line.includes("ticket refused"));
    const why =
      "login: ticket refused role=worker-heartbeat subject=worker-1 why=there is no such worker from=tcp 10.0.2.2";
    expect(refused).to.deep.equal([why, why]);
  });

  it("that are forged or cut are all answered alike, each later than the one before, then not at all for a while", async () => {
    await audited();
    const right = hive.ticket("queen");
    const observers = hive.ticket("observer");
    const mac = right.lastIndexOf(".");
    const wrong: readonly [what: string, ticket: string, least: number][] = [
      ["another code", changed(right, right.length - 1), 0],
      // The role stands in the second byte of the payload: an observer's ticket that says Queen.
      ["another role", changed(changed(observers, "cohesix-ticket-".length + 2), "cohesix-ticket-".length + 3), 250],
      ["cut short", right.slice(0, mac + 33), 500],
    ];
    for (const [what, ticket, least] of wrong) {
      const since = performance.now();
      expect(await door.ask(`ATTACH queen ${ticket}`), what).to.equal("ERR ATTACH reason=policy detail=denied");
      expect(performance.now() - since, what).to.be.at.least(least);
    }
    // Cooling down: another session's code, the role that a good ticket is not for, and the token itself, which is none.
    for (const credential of [
      right.slice(0, mac) + observers.slice(observers.lastIndexOf(".")),
      observers,
      hive.token,
    ]) {
      expect(await door.ask(`ATTACH queen ${credential}`)).to.match(
        /^ERR ATTACH reason=quota detail=rate-limited delay_ms=\d{4,5} error=EAGAIN$/,
      );
      expect(await door.line()).to.equal(undefined);
      door = await hive.door();
    }
    // Whoever has a right one is not kept waiting by them.
    const since = performance.now();
    expect(await door.ask(`ATTACH queen ${right}`)).to.equal("OK ATTACH role=queen");
    expect(performance.now() - since).to.be.lessThan(4000);
    const refused = (await audited()).filter((line) => line.includes("refused"));
    const forged = "login: refused role=queen why=wrong credential from=tcp 10.0.2.2";
    expect(refused).to.deep.equal([
      ...Array.from({ length: 4 }, () => forged),
      "login: ticket refused role=observer why=asked to be queen from=tcp 10.0.2.2",
      forged,
    ]);
    const counted = await queen.cat("/proc/9p/roles");
    expect(counted).to.match(
      /^throttle_failed 6\nthrottle_delayed 2\nthrottle_rate_limited 3\nthrottle_cool_downs 1\n/m,
    );
  });
});

function withoutNumbers(line: string): string {
  return line.replace(/session=\d+/, "session=<n>");
}
