import { readFileSync } from "node:fs";
import { expect } from "chai";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { ImageWorkshop, needsQemu } from "./qemu-image.ts";

const patienceMs = 60_000;
const MOST = 64;
/** What the issue promises of a worker, its share of code not counted. */
const WORKER_KIB = 1536;

/** An operator on the serial line. */
class Operator {
  readonly hive: HiveProcess;

  constructor(words: readonly string[]) {
    this.hive = new HiveProcess([...words, "--net", "none"]);
  }

  async attach(): Promise<void> {
    const { token } = readCredentials(readFileSync(credentialsPath, "utf8"));
    await this.hive.expect(/PONG 1\r?\n/, patienceMs);
    await this.ask(`attach queen ${token}`, /OK ATTACH role=queen\r?\n/);
    expect(this.hive.output).to.not.contain(token);
  }

  ask(line: string, answer: RegExp): Promise<string> {
    this.hive.type(`${line}\r`);
    return this.hive.expect(answer, patienceMs);
  }

  /** Lines of a stream. */
  async lines(line: string, word: string): Promise<string> {
    const text = await this.ask(line, new RegExp(`OK ${word}\\b[^]*?\\nEND\\r?\\n`));
    return text.replaceAll("\r", "");
  }

  /** Capabilities and memory that are in use, without what the console itself takes. */
  async level(): Promise<string> {
    const caps = await this.lines("caps", "CAPS");
    return [/^slots used=\d+/m, /^untyped .*$/m, /^components live=\d+/m].map((row) => row.exec(caps)?.[0]).join(" ");
  }
}

describe("a hive on seL4 with workers", function () {
  needsQemu(this);
  this.timeout(300_000);

  it(`runs ${MOST} at once, refuses one more, and has everything back when they are killed`, async () => {
    const operator = new Operator([]);
    try {
      await operator.attach();
      // A first round takes the slots that places for components keep.
      for (const round of [0, 1]) {
        for (let n = 1; n <= MOST; n++) {
          await operator.ask('spawn {"spawn":"heartbeat"}', new RegExp(`OK SPAWN id=worker-${round * MOST + n}\\b`));
        }
        await operator.ask('spawn {"spawn":"heartbeat"}', /ERR SPAWN reason=busy detail=busy[^\n]*\n/);
        expect(await operator.level()).to.contain(`components live=${MOST + 1}`);
        const ps = await operator.lines("ps", "PS");
        const sizes = [...ps.matchAll(/^component \d+ worker-\d+ \S+ .*bytes=(\d+)$/gm)].map(
          ([, bytes]) => Number(bytes) / 1024,
        );
        expect(sizes).to.have.length(MOST);
        expect(Math.max(...sizes)).to.be.lessThan(WORKER_KIB);
        await new Promise((resolve) => setTimeout(resolve, 4000));
        const first = round * MOST;
        for (const n of [1, 17, MOST]) {
          expect(await operator.lines(`cat /worker/worker-${first + n}/telemetry`, "CAT")).to.match(/^heartbeat 3$/m);
        }
        for (let n = 1; n <= MOST; n++) await operator.ask(`kill worker-${first + n}`, /OK KILL id=worker-\d+\r?\n/);
        expect(await operator.lines("ls /worker", "LS")).to.contain("entries=0");
      }
    } finally {
      expect(await operator.hive.end(), operator.hive.messages).to.equal(0);
    }
  });

  describe("that misbehave", () => {
    // A machine too slow for so many calls in a second lets its budget run out instead.
    const FLOODED = /revoked: (flood: more than 2000 calls in one second|its quanta \(ticks\) are used up)/;
    const MISBEHAVIOURS = [
      [1001, "throws", /failed: TypeError: a worker of the test gives up/],
      [1002, "loops in JavaScript", /revoked: stuck, it ran 100 quanta without a call/],
      [1003, "loops inside a native function", /revoked: stuck, it ran 100 quanta without a call/],
      [1004, "exhausts its arena", /failed: .*out of memory/],
      [1005, "recurses without end", /failed: .*stack overflow/],
      [1006, "floods with calls", FLOODED],
      [1007, "says hello twice", /revoked: violation: HELLO 1 out of turn/],
      [1008, "calls what is no call", /revoked: violation: /],
    ] as const;
    let workshop: ImageWorkshop;
    let operator: Operator;
    before(async () => {
      workshop = new ImageWorkshop();
      const worker = inRepository("test/integration/bundle/bad-worker.ts");
      operator = new Operator(["--image", workshop.build(inRepository("services/main.ts"), worker)]);
      await operator.attach();
    });
    after(async () => {
      const status = await operator.hive.end();
      workshop.remove();
      expect(status, operator.hive.messages).to.equal(0);
    });

    let spawned = 0;
    let level: string | undefined;
    for (const [mode, what, cause] of MISBEHAVIOURS) {
      it(`name and end one that ${what}, answer meanwhile, and have its memory back`, async () => {
        const id = `worker-${++spawned}`;
        await operator.ask(`spawn {"spawn":"heartbeat","ticks":${mode}}`, new RegExp(`OK SPAWN id=${id}\\b`));
        for (let n = 0; n < 20; n++) await operator.ask("ping", /OK PING reply=pong\r?\nPONG\r?\n/);
        await operator.hive.expect(new RegExp(`\\] ${id}: .*destroyed, \\d+ KiB returned\\r?\\n`), patienceMs);
        const log = await operator.lines("log", "LOG");
        const line = log.split("\n").find((row) => row.includes(`worker: ${id} `));
        expect(line).to.match(cause);
        expect(line).to.match(/; destroyed$/);
        await operator.ask(
          `cat /worker/${id}/status`,
          /ERR CAT reason=policy detail=not-found [^\n]*error=ENOENT\r?\n/,
        );
        level ??= await operator.level();
        expect(await operator.level()).to.equal(level);
      });
    }
  });
});
