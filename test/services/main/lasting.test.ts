/** A hive in which very many come and go, as they would in months: nothing of what ended is left, and nothing else is lost. */
import { expect } from "chai";
import { bundle, credentials, Hive } from "./hive.ts";

const TIMES = 1000;
/** The audit log's ring, which doubles until it is a MiB, and what a turn may hold for a moment. */
const KEPT_BYTES = 1.5 * 1024 * 1024;

describe("hive with many comers and goers", () => {
  it("keeps its heap small and loses nothing in 1,000 logins with a 9P session each and 1,000 workers", async function () {
    this.timeout(900_000);
    const hive = new Hive(await bundle());
    await hive.boot();
    const { machine, terminal } = hive;
    const attach = `attach queen ${credentials.token}`;
    // Lines of the machine's log come in between, so it is not the prompt that is waited for.
    const ask = async (line: string, answer: string): Promise<void> => {
      terminal.type(`${line}\r`);
      await terminal.expect(answer);
    };
    const spawnAndKill = async (id: string, lives: boolean): Promise<void> => {
      await ask('spawn {"spawn":"heartbeat"}', `OK SPAWN id=${id}\r\n`);
      // It loads its program, attaches and emits a first heartbeat.
      if (lives) await machine.runFor(2000);
      await ask(`kill ${id}`, `OK KILL id=${id}\r\n`);
    };
    await ask(attach, "OK ATTACH");
    await ask('spawn {"spawn":"heartbeat"}', "OK SPAWN id=worker-1\r\n");
    await spawnAndKill("worker-2", true);
    await ask("ls /log", "END\r\n");

    const before = machine.heapUsed;
    let highest = before;
    for (let i = 0; i < TIMES; i++) {
      await ask(attach, "OK ATTACH");
      await ask("ls /log", "END\r\n");
      highest = Math.max(highest, machine.heapUsed);
    }
    for (let i = 0; i < TIMES; i++) {
      await spawnAndKill(`worker-${String(i + 3)}`, i % 10 === 0);
      highest = Math.max(highest, machine.heapUsed);
    }
    expect(highest - before).to.be.below(KEPT_BYTES);
    expect(machine.restarts).to.equal(0);
    await hive.quiet();
    await ask("ls /worker", "OK LS path=/worker entries=1\r\nworker-1\r\nEND\r\n");
    await ask("cat /proc/9p/sessions", `opened ${String(TIMES + 1)}\r\nclosed ${String(TIMES)}\r\nrevoked 0\r\n`);
    await ask(
      "cat /proc/9p/workers",
      `spawned ${String(TIMES + 2)}\r\nrefused 0\r\nfinished 0\r\nkilled ${String(TIMES + 1)}\r\n`,
    );
    await hive.quiet();
    await ask("cat /log/queen.log", "login: admitted role=queen session=1 from=serial by=token\r\n");
  });
});
