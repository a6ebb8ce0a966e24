/**
 * A week of a hive's life in virtual time: operators come and go over the network and at the serial line, workers are spawned and
 * end by their budgets or are killed, strangers knock with wrong tokens and half frames, the cable is pulled. After each day the
 * hive is left alone for a while, and then it holds what it held after the first.
 */
import { expect } from "chai";
import { mintTicket } from "../../../cohsh/tickets/mint.ts";
import { claimsOf } from "../../../services/roles/ticket.ts";
import { Random } from "../../fuzz/random.ts";
import { SEED, SEEDED } from "../../fuzz/seed.ts";
import { bundle, credentials, Hive, manifestWith } from "./hive.ts";
import { Neighbour, type Visit } from "./neighbour.ts";

const MINUTE_US = 60_000_000;
const DAY_US = 24 * 60 * MINUTE_US;
const DAYS = 7;
/** From one visit to the next: what a wrong login costs the one after it is over by then. */
const PAUSE_US = 30 * MINUTE_US;
/** Long enough for every deadline of the door, and for all workers to end by their time. */
const REST_US = 20 * MINUTE_US;
/** These keep the latest of what there was, up to their bound; of all others as much is used as before. */
const KEEPING = new Set(["log.boot", "log.queen", "net.tx", "rng.pool", "roles.tickets", "roles.verified"]);
/** Numbers get longer in a week, and a hash table may have grown. */
const HEAP_SLACK_BYTES = 24576;
/** Logs as long as they get on the first day. */
const manifest = manifestWith({ tick: { period_s: 3600 }, log: { ring_bytes: 16384, queen_bytes: 16384 } });

class Week {
  readonly hive: Hive;
  readonly neighbour: Neighbour;
  readonly random = new Random(SEED);
  /** What was done, by its name. */
  readonly done: Record<string, number> = {};
  /** One for the whole week: what is remembered of each other one would count as growth, until it is bounded. */
  readonly #observer = mintTicket(credentials, claimsOf("observer", { issuedAtMs: Date.now() }));
  /** Connections that were made. */
  calls = 0;

  constructor(hive: Hive) {
    this.hive = hive;
    this.neighbour = new Neighbour(hive.machine, manifest);
  }

  readonly #visits: Readonly<Record<string, () => Promise<void>>> = {
    operator: async () => {
      const visit = await this.#attached();
      await visit.send("LS /").stream();
      await visit.send("CAT /proc/mem").stream();
      await visit.send("LOG").stream();
      for (let i = 0; i < 20; i++) {
        expect((await visit.ask(`ECHO /log/queen.log all is well ${i}`))[0]).to.match(/^OK ECHO/);
      }
      expect((await visit.ask('SPAWN {"spawn":"heartbeat","budget":{"ttl_s":300}}'))[0]).to.match(
        /^OK SPAWN id=worker-/,
      );
      await this.#quit(visit);
    },
    killer: async () => {
      const visit = await this.#attached();
      for (let i = 0; i < 4; i++) {
        const [spawned] = await visit.ask('SPAWN {"spawn":"heartbeat"}');
        const id = /id=(worker-\d+)/.exec(spawned ?? "")![1]!;
        await this.#pass(this.random.int(5) * 1_000_000);
        expect(await visit.ask(`KILL ${id}`)).to.deep.equal([`OK KILL id=${id}`]);
      }
      await this.#quit(visit);
    },
    follower: async () => {
      const visit = await this.#attached("observer");
      const [answer] = await visit.ask("TAIL -f /log/queen.log");
      expect(answer).to.match(/^OK TAIL/);
      this.hive.terminal.type(`attach queen ${credentials.token}\recho /log/queen.log from the line\rdetach\r`);
      let line = "";
      while (!line.endsWith("from the line")) [line = ""] = await visit.lines(1);
      visit.send("STOP");
      while (line !== "OK STOP") [line = ""] = await visit.lines(1);
      await this.#quit(visit);
    },
    stranger: async () => {
      const visit = this.#call();
      expect((await visit.ask("AUTH let me in"))[0]).to.match(/^ERR AUTH reason=policy detail=denied$/);
      await visit.ended();
    },
    impostor: async () => {
      const visit = await this.#open();
      expect((await visit.ask(`ATTACH queen ${this.#ticket("observer")}`))[0]).to.match(/^ERR ATTACH/);
      await this.#quit(visit);
    },
    half: async () => {
      await this.#call()
        .raw(Uint8Array.of(40, 0, 0))
        .ended();
    },
    idler: async () => {
      const visit = await this.#attached();
      await this.#pass(5 * MINUTE_US + 1_000_000);
      await visit.ended();
    },
    broken: async () => {
      const visit = await this.#attached();
      visit.send("TAIL -f /log/queen.log", "PING");
      await visit.lines(1);
      visit.abort();
    },
    nine: async () => {
      const visit = await this.#attached();
      expect(await visit.ask("SECURE9P")).to.deep.equal(["OK SECURE9P msize=8192"]);
      // Tversion, tag ~0, msize 8192, "9P2000.L".
      visit.raw(Buffer.from("1500000064ffff0020000008003950323030302e4c", "hex"));
      // Tattach, fid 0, no afid, no names, no n_uname.
      visit.raw(Buffer.from("17000000680000" + "00000000" + "ffffffff" + "00000000" + "ffffffff", "hex"));
      await this.#pass(1_000_000);
      visit.close();
      await this.#pass(1_000_000);
    },
    unplugged: async () => {
      const visit = await this.#attached();
      const net = this.hive.machine.net!;
      net.setLink(false);
      visit.send("PING");
      await this.#pass(20_000_000);
      net.setLink(true);
      expect(await visit.lines(2)).to.deep.equal(["OK PING reply=pong", "PONG"]);
      await this.#quit(visit);
    },
    serial: async () => {
      const { terminal } = this.hive;
      terminal.type(`attach queen ${credentials.token}\rspawn {"spawn":"heartbeat","ticks":50}\rps\rnetstats\r`);
      await terminal.expect(/OK NETSTATS[^]*\nEND\r\n/);
      terminal.type("nonsense\rcat /nowhere\rdetach\r");
      await terminal.expect("OK DETACH\r\n");
    },
  };

  /** Each kind of visit once and others by chance, for a day; then rest. */
  async day(): Promise<void> {
    const { machine, terminal } = this.hive;
    const until = machine.nowUs() + DAY_US - REST_US - PAUSE_US;
    const kinds = Object.keys(this.#visits);
    for (let visit = 0; machine.nowUs() < until; visit++) {
      const kind = kinds[visit] ?? this.random.of(kinds);
      try {
        await this.#visits[kind]!();
      } catch (error) {
        throw new Error(`${kind}, at ${Math.round(machine.nowUs() / 1e6)} s (${SEEDED})`, { cause: error });
      }
      this.done[kind] = (this.done[kind] ?? 0) + 1;
      await this.#pass(PAUSE_US);
    }
    await this.#pass(REST_US);
    expect(machine.restarts, terminal.transcript.slice(-2000)).to.equal(0);
  }

  /** What it holds when nothing is going on: heap, and how much of each pool is used. */
  async held(): Promise<{ readonly heap: number; readonly pools: Record<string, number> }> {
    const { terminal, machine } = this.hive;
    const heap = machine.heapUsed;
    terminal.type("mem\r");
    const text = await terminal.expect(/OK MEM[^]*\nEND\r\n/);
    const pools: Record<string, number> = {};
    for (const [, name = "", used, bound] of text.matchAll(/pool (\S+) .*?\bused=(\d+) of=(\d+)/g)) {
      expect(Number(used), name).to.be.at.most(Number(bound));
      if (!KEEPING.has(name)) pools[name] = Number(used);
    }
    expect(pools).to.include.keys("door.sessions", "tcp.sockets", "9p.fids", "worker.arenas");
    return { heap, pools };
  }

  /** A file of counters, `name value` on each line. */
  async counters(path: string): Promise<Record<string, number>> {
    const { terminal } = this.hive;
    terminal.type(`attach queen ${credentials.token}\rcat ${path}\rdetach\r`);
    const text = await terminal.expect("OK DETACH\r\n");
    return Object.fromEntries(
      [...text.matchAll(/^(\w+) (\d+)\r$/gm)].map(([, name = "", value]) => [name, Number(value)]),
    );
  }

  #pass(us: number): Promise<void> {
    return this.hive.machine.runFor(us);
  }

  #call(): Visit {
    this.calls++;
    return this.neighbour.call();
  }

  async #open(): Promise<Visit> {
    const visit = this.#call();
    expect(await visit.ask(`AUTH ${credentials.token}`)).to.deep.equal(["OK AUTH"]);
    return visit;
  }

  async #attached(role: "queen" | "observer" = "queen"): Promise<Visit> {
    const visit = await this.#open();
    expect(await visit.ask(`ATTACH ${role} ${this.#ticket(role)}`)).to.deep.equal([`OK ATTACH role=${role}`]);
    return visit;
  }

  async #quit(visit: Visit): Promise<void> {
    expect((await visit.ask("QUIT"))[0]).to.match(/^OK QUIT/);
    await visit.ended();
  }

  #ticket(role: "queen" | "observer"): string {
    return role === "queen" ? credentials.tickets.queen! : this.#observer;
  }
}

describe("a week of a hive", () => {
  it("leaves it with the heap, the pools and the books of its first day", async function () {
    this.timeout(900_000);
    const hive = new Hive(await bundle(), { manifest });
    await hive.boot();
    const week = new Week(hive);
    await week.day();
    const first = await week.held();
    for (let day = 2; day <= DAYS; day++) {
      await week.day();
      const { heap, pools } = await week.held();
      expect(pools, `day ${day}, ${SEEDED}`).to.deep.equal(first.pools);
      expect(heap - first.heap, `day ${day}, ${SEEDED}`).to.be.below(HEAP_SLACK_BYTES);
    }
    const { accepted, connections, ...door } = await week.counters("/proc/net/console");
    const ends = Object.entries(door).filter(([name]) => name.startsWith("end_"));
    expect({ accepted, connections }).to.deep.equal({ accepted: week.calls, connections: 0 });
    expect(ends.reduce((sum, [, count]) => sum + count, 0)).to.equal(week.calls);
    expect(door).to.include({ end_failed: 0, end_idle: week.done["idler"], end_busy: 0, end_crowded: 0 });
    const workers = await week.counters("/proc/9p/workers");
    expect(workers).to.include({ workers: 0, failed: 0, stuck: 0, refused: 0 });
    expect(workers["killed"]).to.equal(4 * week.done["killer"]!);
    expect(workers["spawned"]).to.equal(workers["killed"]! + week.done["operator"]! + week.done["serial"]!);
    const sessions = await week.counters("/proc/9p/sessions");
    // The one that asks is there.
    expect(sessions["opened"]).to.equal(sessions["closed"]! + 1);
    expect(hive.terminal.transcript).to.not.match(/uncaught|rebuilt|halted|out of memory/);
  });
});
