/**
 * Wrong tokens and wrong tickets at full speed, from several addresses and many connections at once, to a hive on seL4 in QEMU: each
 * address is slowed down for itself, all of it is counted, the log is not filled with it, and who has what is right comes in at once,
 * also from an address that others guess from.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { AUDIT_BURST } from "../../services/log/audit-log.ts";
import { CabledHive } from "./cabled-hive.ts";
import { ConsoleWire } from "./console-wire.ts";
import { needsQemu } from "./qemu-image.ts";
import { growth, linesOf } from "./reports.ts";

const GUESSING_MS = 5000;
/** At each of the guessers' addresses. */
const GUESSERS = 4;
const TOKENS_FROM = "10.0.2.3";
const TICKETS_FROM = "10.0.2.4";
const DENIED = "reason=policy detail=denied";
const LIMITED = /^ERR (?:AUTH|ATTACH) reason=quota detail=rate-limited delay_ms=(\d+) error=EAGAIN$/;
const WRONG_TICKET = "cohesix-ticket-00.00";
/** Until an address is slowed down, and for how long then. */
const FREE = 3;
const COOL_DOWN_MS = 90_000;
/** Lines of a kind at once, and a second. */
const BURST = AUDIT_BURST;
const PER_SECOND = 1;
const LOG = "/log/queen.log";
const REFUSED = /^\[ *\d+\.\d{6}\] login: refused (?:AUTH why=wrong token|role=queen why=wrong credential) from=tcp /;
const ENTERED = /^\[ *\d+\.\d{6}\] login: authenticated from=tcp /;
/** In which a line of each kind may be logged again. */
const FLUSHED_MS = 2000;

describe("guessing at the door of a hive on seL4 in QEMU", function () {
  needsQemu(this);
  this.timeout(180_000);
  let hive: CabledHive;
  before(async () => (hive = await CabledHive.boot()));
  after(() => hive.end());

  it("slows down who guesses, and neither the log nor anybody else suffers", async () => {
    const own = await hive.from();
    const tokens = await hive.from(TOKENS_FROM);
    const tickets = await hive.from(TICKETS_FROM);
    const right = async (port: number): Promise<void> => {
      const wire = await hive.queen(port);
      await wire.quit();
    };
    await right(own);
    const before = await hive.quiet();
    const counts = await counters(hive);
    const known = (await linesOf(hive.terminal, LOG)).length;
    const since = performance.now();

    let over = false;
    /** Answers to guesses of each kind, and guesses that nothing was said to because newer ones pushed them out. */
    const told = { tokens: [] as string[], tickets: [] as string[] };
    let unanswered = 0;
    let opened = 0;
    const guessToken = async (): Promise<void> => {
      const wire = await ConsoleWire.open(tokens);
      const answer = await wire.ask("AUTH a-guess");
      if (answer === undefined) unanswered++;
      else {
        told.tokens.push(answer);
        expect(await wire.line()).to.equal(undefined);
      }
      wire.close();
    };
    /** Whoever has the token may try tickets, until the address is too hot. */
    const guessTicket = async (): Promise<void> => {
      const wire = await ConsoleWire.open(tickets);
      const answer = await wire.ask(`AUTH ${hive.token}`);
      if (answer === undefined) unanswered++;
      else {
        opened++;
        expect(answer).to.equal("OK AUTH");
        for (let limited = false; !limited;) {
          const attached = await wire.ask(`ATTACH queen ${WRONG_TICKET}`);
          // Newer ones may push it out while it is told to go.
          if (attached === undefined) {
            unanswered++;
            break;
          }
          told.tickets.push(attached);
          limited = LIMITED.test(attached);
        }
        expect(await wire.line()).to.equal(undefined);
      }
      wire.close();
    };
    const again = async (once: () => Promise<void>): Promise<void> => {
      while (!over) await once();
    };
    let logins = 0;
    const login = async (): Promise<void> => {
      await right(own);
      await right(tokens);
      await right(tickets);
      logins += 3;
    };
    await hive.meanwhile(async () => {
      const all = [...Array.from({ length: GUESSERS }, () => [guessToken, guessTicket]).flat(), login].map(again);
      try {
        await Promise.race([sleep(GUESSING_MS), ...all]);
      } finally {
        over = true;
      }
      await Promise.all(all);
    });
    await hive.unharmed(before);
    console.log(
      `      ${told.tokens.length} wrong tokens, ${told.tickets.length} wrong tickets, ${unanswered} unanswered, ${logins} logins`,
    );
    for (const answers of Object.values(told)) {
      const denied = answers.filter((answer) => answer.endsWith(DENIED));
      // The third of them, which was to be answered late, may have been pushed out.
      expect(denied.length).to.be.within(1, FREE);
      const limited = answers.flatMap((answer) => LIMITED.exec(answer)?.[1] ?? []).map(Number);
      expect(limited.length).to.equal(answers.length - denied.length);
      expect(limited.length).to.be.greaterThan(50);
      for (const delayMs of limited) expect(delayMs).to.be.within(1, COOL_DOWN_MS);
    }
    expect(logins).to.be.at.least(6);
    // The next refusal says how many there were meanwhile.
    await sleep(FLUSHED_MS);
    const last = await ConsoleWire.open(own);
    expect(await last.ask("AUTH a-guess")).to.equal(`ERR AUTH ${DENIED}`);
    last.close();
    await right(own);

    const grown = growth(counts, await counters(hive), /^(?:login|throttle)_/);
    const wrong = told.tokens.length + told.tickets.length + 1;
    expect(grown["login_wrong"]).to.be.within(wrong, wrong + unanswered);
    expect(grown).to.include({
      login_authenticated: opened + logins + 1,
      throttle_failed: grown["login_wrong"],
      throttle_cool_downs: 2,
      throttle_sources: 3,
    });
    const log = (await linesOf(hive.terminal, LOG)).slice(known);
    // Time of the machine's is never more than ours.
    const most = BURST + (PER_SECOND * (performance.now() - since)) / 1000;
    const refused = log.filter((line) => REFUSED.test(line));
    const entered = log.filter((line) => ENTERED.test(line));
    expect(refused.length).to.be.within(BURST, most);
    expect(entered.length).to.be.within(BURST, most);
    expect(refused.length + unlogged(refused)).to.equal(grown["login_wrong"]);
    expect(entered.length + unlogged(entered)).to.equal(grown["login_authenticated"]);
    expect(unlogged(log)).to.equal(grown["login_unlogged"]);
    // The rest is what the right ones did, and each of those is there.
    expect(log.filter((line) => / login: (?:admitted|ended) role=queen session=/.test(line))).to.have.length(
      log.length - refused.length - entered.length,
    );
    expect(log.filter((line) => line.includes(" login: admitted "))).to.have.length(logins + 1);
    expect(log.join("\n")).to.not.contain(hive.token).and.to.not.contain("a-guess").and.to.not.contain(WRONG_TICKET);
  });
});

/** How many were summed up in these lines. */
function unlogged(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + Number(/ unlogged=(\d+)$/.exec(line)?.[1] ?? 0), 0);
}

async function counters(hive: CabledHive): Promise<Readonly<Record<string, number>>> {
  const rows = (await hive.report("/proc/9p/roles")).matchAll(/^(\w+) (\d+)$/gm);
  return Object.fromEntries([...rows].map(([, name = "", value]) => [name, Number(value)]));
}
