import { readFileSync } from "node:fs";
import { expect } from "chai";
import { inRepository } from "../../scripts/lib/repository.ts";
import { DOOR_LIMITS } from "../../services/console/door/limits.ts";
import { ASK_PER_SECOND } from "../../services/net/arp.ts";
import { ERRORS_PER_SECOND } from "../../services/net/icmp.ts";
import { NEIGHBOURS_MAX } from "../../services/net/neighbours.ts";
import { CHALLENGE_INTERVAL_US, RESETS_PER_SECOND } from "../../services/net/tcp/core.ts";
import { REPEATS } from "../../services/net/tcp/half-open.ts";
import { tcpSettings } from "../../services/net/tcp/settings.ts";
import { SCHEDULE, stageIndex } from "../../services/pump/schedule.ts";
import { SOURCES } from "../../services/roles/throttle.ts";
import { bundle, Hive, manifestText } from "../services/main/hive.ts";

const page = readFileSync(inRepository("docs", "SECURITY.md"), "utf8");

/** Rows of the table between two marks, as cells, without its head. */
function rows(mark: string): string[][] {
  const [, table = ""] = new RegExp(`<!-- ${mark} -->\\n([^]*?)<!-- /${mark} -->`).exec(page) ?? [];
  const lines = table.trim().split("\n").slice(2);
  return lines.map((line) => line.slice(2, -2).split(" | "));
}

/** The first number of a cell. */
function number(cell: string | undefined): number {
  return Number(/[\d,]+/.exec(cell ?? "")?.[0].replaceAll(",", ""));
}

describe("docs/SECURITY.md", () => {
  let hive: Hive;
  before(async function () {
    this.timeout(60_000);
    // With every device that has pools.
    hive = new Hive(await bundle(), { console: {} });
    await hive.boot();
  });

  it("has a row for each pool of a hive as the manifest has it, with its bound, its bytes and what it does when it is full", async () => {
    const reported = (await hive.ask("mem")).flatMap((line) => {
      const found = /^pool (\S+) bytes=(\d+) used=\d+ of=(\d+) peak=\d+ (\w+)=\d+$/.exec(line);
      return found === null ? [] : [found.slice(1)];
    });
    const stated = rows("memory").map(([name = "", , bound, bytes, full = ""]) => [
      name.replaceAll("`", ""),
      String(number(bytes)),
      String(number(bound)),
      /^`(\w+)`/.exec(full)?.[1],
    ]);
    expect(stated).to.deep.equal(reported);
    expect(stated.length).to.be.greaterThan(40);
  });

  it("states the bounds of floods as the code has them", () => {
    const { limits } = JSON.parse(manifestText) as { limits: { sessions: number } };
    const { sockets, halfOpen, timeWait } = tcpSettings({ sockets: limits.sessions + 24 });
    const bounds = {
      "frames taken in a turn": SCHEDULE[stageIndex("net-rx")]!.budget,
      "handshakes that have begun": halfOpen,
      "answers to one handshake": REPEATS + 1,
      "resets to segments for nobody": RESETS_PER_SECOND,
      "challenges of one connection": 1_000_000 / CHALLENGE_INTERVAL_US,
      "ICMP errors": ERRORS_PER_SECOND,
      "ARP questions": ASK_PER_SECOND,
      "neighbours known": NEIGHBOURS_MAX,
      "connections that wait to be accepted": limits.sessions,
      connections: sockets,
      "connections in TIME-WAIT": timeWait,
      "strangers at the door": DOOR_LIMITS.strangers,
      "addresses of failed logins": SOURCES,
    };
    expect(Object.fromEntries(rows("floods").map(([what = "", bound]) => [what, number(bound)]))).to.deep.equal(bounds);
  });

  it("names counters that reports show", async () => {
    const shown = [...(await hive.ask("mem")), ...(await hive.ask("netstats"))].join("\n");
    for (const [, , , counter = ""] of rows("floods")) {
      const [row = "", field] = counter.replaceAll("`", "").split(" ");
      const name = row.replaceAll(".", "\\.");
      const pattern = field === undefined ? `^pool ${name} bytes=` : `^${name} .*\\b${field}=`;
      expect(shown, counter).to.match(new RegExp(pattern, "m"));
    }
  });

  it("leads from every claim to a test", () => {
    const [, claims = ""] = /\n## Claims\n([^]*?)\n## Floods\n/.exec(page) ?? [];
    const table = claims.split("\n").filter((line) => /^\| (?!claim |what the device|---)/.test(line));
    expect(table.length).to.be.greaterThan(30);
    for (const line of table) expect(line).to.match(/\]\(\.\.\/test\/[\w./-]+\.test\.ts\)[^|]*\|$/);
  });

  it("leads from each load to the test that tries it, with the same number", () => {
    const loads = rows("load");
    expect(loads).to.have.length(5);
    for (const [load = "", , test = ""] of loads) {
      const path = /\]\(\.\.\/(test\/integration\/qemu_\w+\.test\.ts)\)$/.exec(test)?.[1] ?? "";
      const source = readFileSync(inRepository(path), "utf8").replaceAll("_", "");
      expect(source, load).to.match(new RegExp(`^const \\w+ = (?:process.*\\? )?${number(load)}(?:000)?\\b`, "m"));
    }
  });
});
