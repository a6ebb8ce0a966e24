/**
 * Linux mounts the namespace: v9fs, the 9P client that most machines have, walks, reads, follows and writes it from a
 * shell, and what it does is seen on the host's side too.
 */
import { createHash } from "node:crypto";
import { type Checks, ensure, Skipped } from "../../scripts/lib/checks.ts";
import { utf8 } from "../services/support/ports.ts";
import type { Visitor } from "../services/ninedoor/support.ts";
import { Guest, guestMissing } from "./guest.ts";
import { Hive } from "./hive.ts";
import { Listener } from "./listener.ts";
import type { Recorder } from "./recorder.ts";

const LINES = 1500;
const PATIENCE_MS = 15_000;

export async function v9fsChecks(checks: Checks, recorder: Recorder): Promise<void> {
  const why = guestMissing();
  if (why !== undefined) {
    await checks.run("Linux mounts the namespace (v9fs)", () => {
      throw new Skipped(why);
    });
    return;
  }
  const hive = new Hive();
  const listener = await Listener.open(0, { session: (failed) => hive.session(failed), tap: recorder.tap() });
  let guest: Guest | undefined;
  try {
    await checks.run("a Linux guest boots", async () => {
      const before = performance.now();
      guest = await Guest.boot();
      const { output } = await guest.run("uname -sr");
      return `${output.trim().split("\n").pop() ?? ""}, ${((performance.now() - before) / 1000).toFixed(1)} s`;
    });
    if (guest !== undefined) await inside({ checks, hive, listener, guest });
  } finally {
    await guest?.end();
    await listener.close();
    hive.end();
  }
}

interface Scene {
  readonly checks: Checks;
  readonly hive: Hive;
  readonly listener: Listener;
  readonly guest: Guest;
}

/** All paths below the root as our own client sees them. */
function paths(ours: Visitor, at: string): string[] {
  const listed = ours.list(at);
  if (typeof listed === "string") return [];
  return listed.flatMap((name) => [`${at}/${name}`, ...paths(ours, `${at}/${name}`)]);
}

async function soon(condition: () => boolean, what: string): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > until) throw new Error(`${what} did not happen within ${PATIENCE_MS} ms`);
    await new Promise((settle) => setTimeout(settle, 10));
  }
}

async function inside({ checks, hive, listener, guest }: Scene): Promise<void> {
  const { queenLog, workers } = hive.namespace;
  const ours = hive.visit();
  const ok = async (command: string): Promise<string> => {
    const { status, output } = await guest.run(command);
    ensure(status === 0, `${command}: status ${status}: ${output}`);
    return output;
  };

  await checks.run("v9fs is refused a ticket that is none", async () => {
    const { status, output } = await guest.mount(listener.port, "nobody");
    ensure(status !== 0 && /permission denied|not permitted/i.test(output), output);
    return output.trim();
  });
  await checks.run("v9fs mounts with the Queen's", async () => {
    const { status, output } = await guest.mount(listener.port, hive.queen);
    ensure(status === 0, output);
    const line = /^\S+ on \/mnt type 9p .*$/m.exec(await ok("mount"))?.[0] ?? "";
    ensure(line.includes("msize=8192"), `mount says: ${line}`);
    return line.replace(hive.queen, "…");
  });
  await checks.run("find and ls -lR show every file that is there", async () => {
    const listed = (await ok("cd /mnt && find . -mindepth 1")).trim().split("\n").sort();
    const there = paths(ours, ".").sort();
    ensure(String(listed) === String(there), `find: ${String(listed)}`);
    const long = await ok("ls -lR /mnt");
    ensure(/^-rw-r--r-- .* queen\.log$/m.test(long) && /^-r--r--r-- .* boot$/m.test(long), long);
    return `${listed.length} of ${there.length}`;
  });
  await checks.run("cat reads a computed file", async () => {
    const output = await ok("cat proc/boot");
    ensure(output === ours.cat("proc/boot"), output);
    return `${output.length} bytes`;
  });
  await checks.run("a log longer than any message arrives whole", async () => {
    for (let n = 0; n < LINES; n++) queenLog.line("test", `line ${n} größer als ASCII`);
    const whole = hive.logBytes();
    const sum = createHash("sha256").update(whole).digest("hex");
    const output = await ok("cat log/queen.log | sha256sum; dd if=log/queen.log bs=1000000 2>/dev/null | sha256sum");
    ensure(output.split(sum).length === 3, `${output}, here ${sum}`);
    return `${whole.length} bytes`;
  });
  await checks.run("echo >> log/queen.log leaves a line with its session on it", async () => {
    await ok("echo 'a line from Linux' >> log/queen.log");
    const line = /^.* client session=\d+ role=queen: a line from Linux$/m.exec(ours.cat("log/queen.log"))?.[0];
    ensure(line !== undefined, "the log has no such line");
    return line;
  });
  await checks.run("tail -f shows a line when the host has written it", async () => {
    await ok("tail -n 1 -f log/queen.log & echo $! >/tmp/tail");
    await guest.expect(/a line from Linux/, PATIENCE_MS);
    queenLog.line("test", "the host goes on");
    const output = await guest.expect(/test: the host goes on/, PATIENCE_MS);
    await ok("kill $(cat /tmp/tail); wait");
    return output.trim().split("\n").pop() ?? "";
  });
  await checks.run("echo > queen/ctl spawns a worker, and its files are there", async () => {
    const before = workers.size;
    await ok(`echo '{"spawn":"heartbeat"}' > queen/ctl`);
    ensure(workers.size === before + 1, `${workers.size - before} workers more on the host`);
    const id = (await ok("ls -1 worker")).trim().split("\n").pop() ?? "";
    ensure(workers.find(id) !== undefined, `the host knows no ${id}`);
    const files = (await ok(`ls -1 worker/${id}`)).trim().split("\n");
    ensure(
      ["ctl", "status", "telemetry", "telemetry.follow"].every((name) => files.includes(name)),
      String(files),
    );
    return `${id}: ${(await ok(`cat worker/${id}/status`)).trim().replaceAll("\n", " ")}`;
  });
  await checks.run("a reader of telemetry.follow waits for each record, and is flushed when it is killed", async () => {
    const id = (await ok("ls -1 worker")).trim().split("\n").pop() ?? "";
    const ring = workers.find(id)?.telemetry;
    const session = listener.sessions.at(-1);
    ensure(ring !== undefined && session !== undefined, "no worker, or no session");
    // A heartbeat would answer the read that is to be flushed.
    await ok(`echo pause > worker/${id}/ctl`);
    // Linux asks again and again until a reader's buffer is full, so a reader that follows takes a byte at a time.
    await ok(`while read -r line; do echo "got $line"; done <worker/${id}/telemetry.follow & echo $! >/tmp/reader`);
    for (let n = 1; n <= 3; n++) {
      await soon(() => session.inFlight > 0, "a waiting read");
      const record = utf8(`record ${n} of the host`);
      ring.append(record, 0, record.length);
      await guest.expect(new RegExp(`got record ${n} of the host`), PATIENCE_MS);
    }
    await soon(() => session.inFlight > 0, "the next waiting read");
    const { flushed } = session.counters;
    await ok("kill -9 $(cat /tmp/reader); wait");
    await soon(() => session.inFlight === 0, "the end of the waiting read");
    ensure(session.counters.flushed > flushed, "nothing was flushed");
    await ok(`echo resume > worker/${id}/ctl`);
    return `3 records, ${session.counters.flushed - flushed} request flushed`;
  });
  await checks.run("the worker's heartbeats arrive", async () => {
    const id = (await ok("ls -1 worker")).trim().split("\n").pop() ?? "";
    const output = await ok(`sleep 1; tail -n 1 worker/${id}/telemetry; sleep 1; tail -n 1 worker/${id}/telemetry`);
    const [first, second] = [...output.matchAll(/^heartbeat (\d+)$/gm)].map(([, tick]) => Number(tick));
    ensure(first !== undefined && second !== undefined && second > first, output);
    return `heartbeat ${first}, then ${second}`;
  });
  await checks.run("a line that is no command fails the shell's echo, and does nothing", async () => {
    const before = workers.size;
    const { status, output } = await guest.run(`echo '{"spawn":"nonsense"}' > queen/ctl`);
    ensure(status !== 0 && workers.size === before, `status ${status}: ${output}`);
    ensure(ours.cat("log/queen.log").includes("/spawn must be heartbeat or gpu"), "the log does not say why");
    return output.trim();
  });
  await checks.run("kill removes the worker's directory", async () => {
    const id = (await ok("ls -1 worker")).trim().split("\n").pop() ?? "";
    await ok(`echo '{"kill":"${id}"}' > queen/ctl`);
    ensure(workers.find(id) === undefined, `the host still knows ${id}`);
    const { status, output } = await guest.run(`cat worker/${id}/status`);
    ensure(status !== 0 && /No such file/.test(output), output);
    return output.trim();
  });
  await checks.run("what the namespace does not offer is refused, and changes nothing", async () => {
    const there = String(paths(ours, "."));
    const refused: string[] = [];
    for (const command of [
      "echo x > proc/boot",
      "echo x > log/new",
      "mkdir log/new",
      "rm log/queen.log",
      "rmdir log",
      "mv log/queen.log log/other",
      "ln log/queen.log log/other",
      "ln -s queen.log log/other",
      "mknod log/pipe p",
      "chmod 777 log/queen.log",
      "chown 1 log/queen.log",
      "readlink log/queen.log",
      "cat /mnt/../mnt/../../log/queen.log/x",
    ]) {
      const { status } = await guest.run(command);
      ensure(status !== 0, `${command}: succeeded`);
      refused.push(command.split(" ")[0] ?? "");
    }
    ensure(String(paths(ours, ".")) === there, "something has changed");
    return refused.join(" ");
  });
  await checks.run("sixteen readers at once, on one mount, each read all of it", async () => {
    const sum = createHash("sha256").update(hive.logBytes()).digest("hex");
    const output = await ok(
      "for i in $(seq 16); do cat log/queen.log | sha256sum >/tmp/sum$i & done; wait; cat /tmp/sum*",
    );
    ensure(output.split(sum).length === 17, output);
    return sum.slice(0, 16);
  });
  await checks.run("umount ends the session, and every request had its answer", async () => {
    await ok("cd /; umount /mnt");
    await soon(() => listener.sessions.length === 0, "the session's end");
    ensure(listener.problems.length === 0, listener.problems.join("; "));
    const { output } = await guest.run("dmesg | grep -iE '9p|netfs|bug|warn' | grep -vE 'Install|FS-Cache'");
    ensure(output.trim() === "", `the kernel says: ${output}`);
    return "";
  });
}
