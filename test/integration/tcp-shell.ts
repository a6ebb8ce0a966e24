/** The shell as its users start it, at the port of a hive on whatever machine: what every hive has to answer it. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { nodeBytes } from "../../scripts/lib/node-bytes.ts";
import { NinePWire } from "../../scripts/lib/ninep-wire.ts";
import { Client } from "../../services/secure9p/client.ts";
import type { Done } from "../../services/secure9p/client-calls.ts";
import { O_RDONLY } from "../../services/secure9p/constants.ts";
import { RunningCohsh, testHome } from "../cohsh/cohsh-process.ts";
import type { ListeningHive } from "./listening-hive.ts";

/**
 * @param started the hive, once the suite's tests run
 * @param way options that say how it is reached
 */
export function tcpShell(started: () => ListeningHive, way: () => readonly string[] = () => []): void {
  describe("to cohsh", () => {
    const home = testHome();
    after(() => home.remove());
    const running: RunningCohsh[] = [];
    const start = (...words: string[]): RunningCohsh => {
      const shell = RunningCohsh.piped([...words, "--port", String(started().port), ...way()], home.env);
      running.push(shell);
      return shell;
    };
    afterEach(() => running.splice(0).forEach((shell) => shell.kill()));

    it("is attached to by cohsh, which looks, spawns, follows, kills and quits", async () => {
      const shell = start("--transport", "tcp");
      expect(await shell.answer("attach queen\n", "OK ATTACH role=queen\n")).to.not.contain("#");
      await shell.answer("ls /\n", /OK LS path=\/ entries=4\nproc\nlog\nqueen\nworker\n/);
      await shell.answer("cat /proc/version\n", /OK CAT path=\/proc\/version .*\nCohesix \d/);
      const [, id = ""] = /id=(worker-\d+)/.exec(await shell.answer("spawn heartbeat\n", /OK SPAWN id=\S+\n/)) ?? [];
      await shell.answer(`tail /log/queen.log\n`, new RegExp(`spawn heartbeat id=${id}\n`));
      await shell.answer(`tail -f /worker/${id}/telemetry\n`, /OK TAIL [^]*\nheartbeat 1\nheartbeat 2\nheartbeat 3\n/);
      // Ctrl-C ends what follows, not the shell.
      shell.child.kill("SIGINT");
      await shell.answer(`kill ${id}\n`, `OK KILL id=${id}\n`);
      await shell.answer("log\n", new RegExp(`OK LOG\n[^]*worker: ${id} killed; `));
      await shell.answer("quit\n", "OK QUIT\n");
      expect(await shell.exited).to.deep.equal({ status: 0, signal: null });
    });

    it("says how fast it answers", async () => {
      const bench = start("bench", "--count", "10", "--json");
      expect(await bench.exited, bench.output).to.deep.equal({ status: 0, signal: null });
      const { figures, written } = JSON.parse(bench.output) as { figures: { value: number }[]; written: number };
      expect(figures).to.have.length(9);
      for (const { value } of figures) expect(value).to.be.above(0);
      expect(written).to.equal(30);
    });

    it("carries 9P for programs of the host", async () => {
      const folder = mkdtempSync(join(tmpdir(), "hive-9p-"));
      const path = join(folder, "hive.9p");
      try {
        const relay = start("9p", "--listen", `unix:${path}`, "--role", "observer");
        await relay.see("9P2000.L as observer");
        expect(await readFile(path, ["proc", "boot"])).to.match(/^version \S+ revision /m);
        relay.child.kill("SIGTERM");
        expect(await relay.exited).to.deep.equal({ status: 143, signal: null });
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });
}

/** What a file says to a 9P client at a socket. */
async function readFile(path: string, names: readonly string[]): Promise<string> {
  const client = new Client({
    bytes: nodeBytes,
    failed: (error) => {
      throw error;
    },
  });
  const wire = new NinePWire(client, (buffer, callback) => connect({ path, onread: { buffer, callback } }));
  const ask = (send: (done: Done) => unknown): Promise<string> =>
    new Promise((settle, fail) => {
      wire.socket.once("close", () => fail(new Error("the hive has closed the connection")));
      send(({ data }, error) => {
        // The reply is gone when this returns.
        if (error === undefined) settle(nodeBytes.decode(data.bytes, data.start, data.length));
        else fail(new Error(`the hive answers ${error.code}`));
      });
      wire.flush();
    });
  try {
    await new Promise<void>((settle, fail) => wire.socket.once("connect", settle).once("error", fail));
    await ask((done) => client.version(done));
    await ask((done) => client.attach(0, "root", "/", done));
    await ask((done) => client.walk(0, 1, names, done));
    await ask((done) => client.open(1, O_RDONLY, done));
    return await ask((done) => client.read(1, 0, 8000, done));
  } finally {
    wire.socket.destroy();
  }
}
