/**
 * What a hive answers to bad input over TCP and at its terminal, and what it counts of it: the tables of docs/INTERFACES.md for
 * whatever machine the hive runs on. Nobody may be logged in when it begins.
 */
import { expect } from "chai";
import { BAD_INPUT, PONG } from "../services/console/bad-input.ts";
import { type TerminalOfHive, TypedLine } from "./console-ends.ts";
import { ConsoleWire } from "./console-wire.ts";
import { field, growth, linesOf, numbers } from "./reports.ts";

export interface HiveAtHand {
  readonly port: number;
  readonly token: string;
  /** A Queen's. */
  readonly ticket: string;
  readonly terminal: TerminalOfHive;
  /** Of the tick when it was up; a boot's own turns are long. */
  readonly tick: Readonly<Record<string, number>>;
}

export async function tickOf(wire: ConsoleWire): Promise<Readonly<Record<string, number>>> {
  return field((await linesOf(wire, "/proc/pump")).join("\n"), "tick");
}

const refusals = (answers: readonly string[]): number => answers.filter((answer) => answer.startsWith("ERR ")).length;
const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

export function acceptBadInputOverTcp(hive: () => HiveAtHand): void {
  const counters = async (): Promise<Readonly<Record<string, number>>> => {
    const { port, token, ticket } = hive();
    const wire = await ConsoleWire.attached(port, token, ticket);
    const found = await numbers(wire, "/proc/net/console");
    wire.send("QUIT");
    expect(await wire.line()).to.equal("OK QUIT");
    return found;
  };
  let first: Readonly<Record<string, number>>;
  before(async () => {
    first = await counters();
  });

  // Those that are lines are guesses at the token, and slowed down: another test's.
  const closing = BAD_INPUT.filter(({ early }) => early === "malformed");
  for (const { what, sent } of closing) {
    it(`closes without a word before the token on ${what}`, async () => {
      const { port, token } = hive();
      const wire = await ConsoleWire.open(port);
      wire.raw(sent);
      wire.send(`AUTH ${token}`);
      expect(await wire.line()).to.equal(undefined);
    });
  }

  for (const { what, sent, answers, end } of BAD_INPUT) {
    it(`answers ${what}${end === undefined ? " and goes on" : " and closes"}`, async () => {
      const { port, token } = hive();
      const wire = await ConsoleWire.authenticated(port, token);
      wire.raw(sent);
      wire.send("PING");
      const wanted = end === undefined ? [...answers, ...PONG] : [...answers, undefined];
      expect(await wire.lines(wanted.length)).to.deep.equal(wanted);
      wire.close();
    });
  }

  it("has counted each of them", async () => {
    const last = await counters();
    expect(growth(first, last, /^end_(?:malformed|length)$|^err$|^dropped$/)).to.deep.equal({
      end_malformed: closing.length,
      end_length: BAD_INPUT.filter(({ end }) => end === "length").length,
      err: total(BAD_INPUT.map(({ answers }) => refusals(answers))),
    });
    const { frames = NaN, ok = NaN, err = NaN, dropped = NaN } = last;
    // The line that asks for it is not answered yet.
    expect(frames).to.equal(ok + err + dropped + 1);
  });
}

export function acceptBadInputAtTerminal(hive: () => HiveAtHand): void {
  const typedRows = BAD_INPUT.flatMap(({ what, typed }) => (typed === undefined ? [] : [{ what, ...typed }]));
  let line: TypedLine;
  const counted = async (): Promise<Readonly<Record<string, number>>> => {
    line.send("ps");
    return field((await line.stream()).join("\n"), "console");
  };
  let first: Readonly<Record<string, number>>;
  before(async () => {
    line = new TypedLine(hive().terminal);
    first = await counted();
  });

  for (const { what, keys, answers } of typedRows) {
    it(`answers ${what} and goes on`, async () => {
      await line.raw(keys);
      line.send("ping");
      expect(await line.lines(answers.length + PONG.length)).to.deep.equal([...answers, ...PONG]);
    });
  }

  it("has counted each of them", async () => {
    expect(growth(first, await counted(), /^(?:err|cancelled)$/)).to.deep.equal({
      err: total(typedRows.map(({ answers }) => refusals(answers))),
      cancelled: 1,
    });
  });
}

/**
 * The tick came on time while all that was going on, as far as the machine's own doing goes: hardly one was late by a whole period,
 * as one may be for a pause of the collector.
 */
export function acceptTick(hive: () => HiveAtHand, periodUs: number): void {
  it("has ticked on time meanwhile", async () => {
    const { port, token, ticket, tick: before } = hive();
    const wire = await ConsoleWire.attached(port, token, ticket);
    const after = await tickOf(wire);
    const { count = NaN, missed = 0 } = growth(before, after, /^(?:count|missed)$/);
    expect(count, JSON.stringify(after)).to.be.greaterThan(10);
    expect(missed, JSON.stringify([before, after])).to.be.at.most(1 + count / 50);
    expect(after["p50_us"]).to.be.lessThan(periodUs);
    wire.close();
  });
}
