import { readFileSync } from "node:fs";
import { expect } from "chai";
import { linksOf } from "../../scripts/lib/markdown-links.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { tcpSettings } from "../../services/net/tcp/settings.ts";
import { bundle, Hive, manifestWith } from "../services/main/hive.ts";
import { BUFFERS, FLOWS, SMOLTCP, SMOLTCP_FLOWS } from "../services/net/netsim/smoltcp.ts";
import { figures } from "../services/net/netsim/snapshot.ts";

const page = readFileSync(inRepository("docs", "NETWORK.md"), "utf8");

/** Rows of the tables of a section, as cells, heads left out. */
function section(heading: string): string[][] {
  const [, text = ""] = new RegExp(`\\n## ${heading}\\n([^]*?)(?=\\n## |$)`).exec(page) ?? [];
  return cells(text);
}

/** Rows of the table between two marks. */
function marked(mark: string): string[][] {
  const [, text = ""] = new RegExp(`<!-- ${mark} -->\\n([^]*?)<!-- /${mark} -->`).exec(page) ?? [];
  return cells(text);
}

function cells(text: string): string[][] {
  const lines = text.split("\n").filter((line) => line.startsWith("| "));
  return lines.filter((line, i) => !/^\| -/.test(line) && !/^\| -/.test(lines[i + 1] ?? "")).map(row);
}

const row = (line: string): string[] => line.slice(2, -2).split(" | ");
const whole = (value: number): string => Math.round(value).toLocaleString("en");
const pairs = (ours: readonly number[], theirs: readonly number[]): string[] =>
  theirs.map((value, i) => `${whole(ours[i]!)} / ${whole(value)}`);

/** A report's lines by name, with the names of their numbers. */
function named(lines: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of lines) {
    const [, name = "", rest = ""] = /^((?:queue )?[a-z0-9_.]+)((?: [a-z0-9_]+=\S+)*)$/.exec(line) ?? [];
    const fields = [...rest.matchAll(/ ([a-z0-9_]+)=/g)].map(([, field = ""]) => field);
    if (fields.length > 0) found.set(name, [...(found.get(name) ?? []), ...fields]);
  }
  return found;
}

const quoted = (cell = ""): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text);

describe("docs/NETWORK.md", () => {
  let reported: Map<string, string[]>;
  before(async function () {
    this.timeout(60_000);
    const hive = new Hive(await bundle(), { manifest: manifestWith({ network: { mode: "dhcp" } }) });
    await hive.boot();
    reported = named((await hive.ask("netstats")).slice(2));
  });

  it("shows the grid as it is committed, beside smoltcp's", () => {
    const expected = BUFFERS.map((buffer) => [String(buffer), ...pairs(figures(`rate ${buffer}`), SMOLTCP[buffer]!)]);
    expect(marked("grid")).to.deep.equal(expected);
  });

  it("shows the flows as they are committed, beside smoltcp's", () => {
    const expected = FLOWS.map((count) => {
      const ours = figures(`rate, flows ${count}`);
      const [total, slowest, fastest, jain] = SMOLTCP_FLOWS[count]!;
      const shares = `${ours[3]!.toFixed(3)} / ${jain.toFixed(3)}`;
      return [String(count), ...pairs(ours, [total, slowest, fastest]), shares, `${(100 * ours[4]!).toFixed(1)} %`];
    });
    expect(marked("flows")).to.deep.equal(expected);
  });

  it("shows what is measured for our own record", () => {
    const rows = marked("own");
    expect(rows.length).to.equal(5);
    for (const [what = "", ...rates] of rows) {
      const [, ms, buffer] = /^(\d+) ms, (\d+)$/.exec(what) ?? [];
      expect(rates, what).to.deep.equal(figures(`rate ${buffer} at ${ms} ms`).map(whole));
    }
  });

  it("names the cells that are below twice smoltcp's, with their figures", () => {
    for (const buffer of [8192, 16_384]) {
      const times = figures(`rate ${buffer}`)[4]! / SMOLTCP[buffer]![4]!;
      expect(page).to.contain(`${times.toFixed(2)}`);
    }
  });

  it("states the times of TCP as they are set", () => {
    const set = tcpSettings();
    const seconds = (...us: number[]): string => us.map((one) => `${one / 1e6} s`).join(", ");
    expect(marked("times").map(([, time]) => time)).to.deep.equal([
      seconds(set.connectUs),
      seconds(set.userTimeoutUs),
      seconds(set.finUs),
      seconds(set.timeWaitUs),
      seconds(set.keepAliveUs, set.keepAliveIntervalUs),
      String(set.keepAliveProbes),
      `${set.delayedAckUs / 1000} ms`,
    ]);
  });

  it("explains each counter of netstats, and no other", () => {
    const explained = new Map<string, string[]>();
    for (const [names, fields] of marked("counters"))
      for (const name of quoted(names)) explained.set(name, quoted(fields));
    // Descriptors are in words: who has them is the field's name.
    expect([...explained.keys()]).to.have.members([...reported.keys()].filter((name) => name !== "link"));
    for (const [name, fields] of explained) {
      expect(fields, name).to.have.members([...new Set(name === "tcp" ? reported.get("tcp") : reported.get(name))]);
    }
  });

  it("sends an operator to counters that there are", () => {
    const rows = section("When the network is bad");
    expect(rows.length).to.be.greaterThan(10);
    const lines = [...reported.keys()];
    for (const [look] of rows) {
      for (const name of quoted(look)) {
        const [line = "", field] = name.split(" ");
        if (line === "device") expect(reported.get("device"), name).to.include(field);
        else if (line.includes(".") && field !== undefined) expect(reported.get(line), name).to.include(field);
        else if (!/^(bad_…|mem|changes|cwnd|pacing|srtt_us|wnd|unread|net\.rx)$/.test(name)) {
          expect(
            lines.flatMap((one) => reported.get(one)!),
            name,
          ).to.include(name);
        }
      }
    }
  });

  for (const heading of ["Below TCP", "TCP, RFC by RFC"]) {
    it(`leads from each row of "${heading}" to the file that does it and to a test`, () => {
      const rows = section(heading);
      expect(rows.length).to.be.greaterThan(5);
      for (const [what, , files = "", tests = ""] of rows) {
        const targets = linksOf(files).map(({ target }) => target);
        expect(targets.length, what).to.be.greaterThan(0);
        for (const target of targets) expect(target, what).to.match(/^\.\.\/services\/net\/[\w/-]+\.ts$/);
        expect(linksOf(tests).length, what).to.be.greaterThan(0);
        for (const { target } of linksOf(tests)) expect(target, what).to.match(/^\.\.\/test\/[\w/-]+\.test\.ts$/);
      }
    });
  }

  it("leads from each fault to a test", () => {
    const rows = section("Faults, and how they are injected");
    expect(rows.length).to.be.greaterThan(10);
    for (const [what, , tests = ""] of rows) {
      expect(linksOf(tests).length, what).to.be.greaterThan(0);
      for (const { target } of linksOf(tests)) expect(target, what).to.match(/^\.\.\/test\/[\w/-]+\.test\.ts$/);
    }
  });
});
