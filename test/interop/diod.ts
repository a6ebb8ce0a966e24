/**
 * diod's tools as clients: an implementation of 9P2000.L in C that shares nothing with ours lists and reads the
 * namespace, over a Unix socket and over TCP, and gets each byte and each refusal as it is.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Checks, ensure, Skipped } from "../../scripts/lib/checks.ts";
import { diodMissing, diodTool, linesOf } from "./diod-tools.ts";
import { Hive } from "./hive.ts";
import { Listener, type ListenerOptions } from "./listener.ts";
import type { Recorder } from "./recorder.ts";

export async function diodChecks(checks: Checks, recorder: Recorder): Promise<void> {
  const why = diodMissing();
  if (why !== undefined) {
    await checks.run("diod's tools list and read the namespace", () => {
      throw new Skipped(why);
    });
    return;
  }
  const hive = new Hive();
  const folder = mkdtempSync(join(tmpdir(), "diod-"));
  const options = (): ListenerOptions => ({ session: (failed) => hive.session(failed), tap: recorder.tap() });
  const tcp = await Listener.open(0, options());
  const unix = await Listener.open(join(folder, "9p"), options());
  const server = `127.0.0.1:${tcp.port}`;
  const queen = hive.queen;
  const ours = hive.visit();
  try {
    for (const [title, where] of [
      ["TCP", server],
      ["a Unix socket", join(folder, "9p")],
    ] as const) {
      await checks.run(`diodls lists the root over ${title}`, async () => {
        const { status, out, err } = await diodTool("diodls", where, queen);
        ensure(status === 0, err);
        const listed = linesOf(out).sort();
        ensure(String(listed) === String([...ours.list("/")].sort()), `it lists ${String(listed)}`);
        return listed.join(" ");
      });
    }
    await checks.run("diodls -l shows type, mode and size of what is there", async () => {
      const { status, out, err } = await diodTool("diodls", server, queen, "-l", "log", "proc", "queen");
      ensure(status === 0, err);
      const size = hive.long.length;
      ensure(new RegExp(`^-r--r--r--.* ${size} .*long\\.log$`, "m").test(out), `it says: ${out}`);
      ensure(/^-rw-r--r--.* queen\.log$/m.test(out) && /^-rw-r--r--.* ctl$/m.test(out), `it says: ${out}`);
      return `long.log has ${size} bytes`;
    });
    await checks.run("diodls lists a directory of several replies whole, once each", async () => {
      for (let n = hive.namespace.workers.size; n < 60; n++) {
        ensure(ours.echo('{"spawn":"heartbeat"}\n', "queen/ctl").startsWith("!") === false, "no more workers");
      }
      const { status, out, err } = await diodTool("diodls", server, queen, "-m", "512", "worker");
      ensure(status === 0, err);
      const listed = linesOf(out).filter((line) => line !== "worker:");
      ensure(String(listed) === String(ours.list("worker")), `it lists ${String(listed)}`);
      return `${listed.length} entries, msize 512`;
    });
    await checks.run("diodcat reads a computed file", async () => {
      const { status, out, err } = await diodTool("diodcat", server, queen, "proc/boot");
      ensure(status === 0 && out === ours.cat("proc/boot"), `${err}${out}`);
      return `${out.length} bytes`;
    });
    await checks.run("diodcat reads a log longer than any message, byte for byte", async () => {
      const read = [];
      for (const msize of ["512", "65536"]) {
        const { status, out, err } = await diodTool("diodcat", server, queen, "-m", msize, "log/long.log");
        ensure(status === 0, err);
        ensure(out === hive.long.toString(), `with msize ${msize} it differs, ${out.length} characters`);
        read.push(Buffer.byteLength(out));
      }
      return `${read.join(" and ")} bytes, with msize 512 and 8192 (65536 asked)`;
    });
    for (const [title, aname, path, says] of [
      ["a ticket that is none", "nobody", "proc/boot", /not permitted/],
      ["a file that is not there", queen, "proc/none", /No such file/],
      ["a directory read as a file", queen, "proc", /./],
    ] as const) {
      await checks.run(`diodcat is refused ${title}`, async () => {
        const { status, out, err } = await diodTool("diodcat", server, aname, path);
        ensure(status !== 0 && out === "" && says.test(err), `status ${status}: ${out}${err}`);
        return err.trim().replaceAll(aname, "…");
      });
    }
    await checks.run("fifty diodcats at once each read all of it", async () => {
      const all = hive.long.toString();
      const said = await Promise.all(
        Array.from({ length: 50 }, () => diodTool("diodcat", server, queen, "log/long.log")),
      );
      ensure(
        said.every(({ status, out }) => status === 0 && out === all),
        "some did not",
      );
      return `${50 * Buffer.byteLength(all)} bytes`;
    });
    await checks.run("no session of diod's is left, nor a request without its answer", async () => {
      const until = performance.now() + 5000;
      while (tcp.sessions.length + unix.sessions.length > 0 && performance.now() < until) {
        await new Promise((settle) => setTimeout(settle, 10));
      }
      ensure(tcp.sessions.length + unix.sessions.length === 0, "sessions are left");
      const problems = [...tcp.problems, ...unix.problems];
      ensure(problems.length === 0, problems.join("; "));
      return `${tcp.accepted + unix.accepted} connections`;
    });
  } finally {
    await tcp.close();
    await unix.close();
    hive.end();
    rmSync(folder, { recursive: true, force: true });
  }
}
