/**
 * Linux mounts a hive on seL4: v9fs in a guest of its own, its bytes over TCP to the host, through `cohsh 9p` and over TCP into
 * the hive's machine. What the shell in the guest does to files is seen in the hive by our own client.
 */
import { ensure } from "../../scripts/lib/checks.ts";
import type { NineClient } from "../integration/nine-client.ts";
import { Guest } from "./guest.ts";
import { type DoorScene, until, Way } from "./way.ts";

const PATIENCE_MS = 15_000;

/** All paths below one as our own client sees them. */
async function pathsBelow(ours: NineClient, at: string): Promise<string[]> {
  const listed = await ours.list(`/${at}`);
  if (typeof listed === "string") return [];
  const below = listed.map(({ name }) => `${at}/${name}`);
  const deeper = [];
  for (const path of below) deeper.push(path, ...(await pathsBelow(ours, path)));
  return deeper;
}

export async function linuxAtTheDoor(scene: DoorScene): Promise<void> {
  // QEMU's guest reaches TCP ports of the host's loopback, and no unix socket.
  const way = await Way.open(scene, "queen", 0);
  let guest: Guest | undefined;
  try {
    await scene.checks.run("a Linux guest boots and mounts a hive on seL4, through cohsh 9p", async () => {
      guest = await Guest.boot();
      const { status, output } = await guest.mount(way.tap.port, "/");
      ensure(status === 0, output);
      const mounted = await guest.run("cd /mnt && mount");
      const line = /^\S+ on \/mnt type 9p .*$/m.exec(mounted.output)?.[0] ?? "";
      ensure(line.includes("msize=8192"), `mount says: ${line}`);
      return line;
    });
    if (guest !== undefined) await inside(scene, guest);
  } finally {
    await guest?.end();
    await way.close();
  }
}

async function inside({ checks, ours }: DoorScene, guest: Guest): Promise<void> {
  const ok = async (command: string): Promise<string> => {
    const { status, output } = await guest.run(command);
    ensure(status === 0, `${command}: status ${status}: ${output}`);
    return output;
  };
  let id = "";

  await checks.run("find and ls -lR show every file that is there", async () => {
    const listed = (await ok("find . -mindepth 1")).trim().split("\n").sort();
    const there = (await pathsBelow(ours, ".")).sort();
    ensure(String(listed) === String(there), `find: ${String(listed)}, there is ${String(there)}`);
    const long = await ok("ls -lR /mnt");
    ensure(/^-rw-r--r-- .* queen\.log$/m.test(long) && /^-r--r--r-- .* boot$/m.test(long), long);
    return `${listed.length} paths`;
  });
  await checks.run("cat reads a computed file, and a log longer than any message", async () => {
    ensure((await ok("cat proc/version")) === (await ours.cat("/proc/version")), "proc/version differs");
    // Nobody writes to it meanwhile: what Linux counts is what our client has.
    const whole = Buffer.from(await ours.cat("/log/boot.log"));
    const log = await ok("cat log/boot.log | wc -c; wc -l <log/queen.log");
    const [bytes = 0, lines = 0] = log.trim().split(/\s+/).map(Number);
    ensure(bytes >= whole.length, `${bytes} bytes of the boot log, there are ${whole.length}`);
    const there = (await ours.cat("/log/queen.log")).split("\n").length - 1;
    ensure(lines === there, `${lines} lines of the queen's log, there are ${there}`);
    return `${lines} lines`;
  });
  await checks.run("echo >> log/queen.log leaves a line with its session on it", async () => {
    await ok("echo 'a line from Linux' >> log/queen.log");
    const line = /^.* client session=\d+ role=queen: a line from Linux$/m.exec(await ours.cat("/log/queen.log"))?.[0];
    ensure(line !== undefined, "the log has no such line");
    return line;
  });
  await checks.run("tail -f shows a line that somebody else has written", async () => {
    await ok("tail -n 1 -f log/queen.log & echo $! >/tmp/tail");
    await guest.expect(/a line from Linux/, PATIENCE_MS);
    await ours.echo("our client goes on\n", "/log/queen.log");
    const output = await guest.expect(/our client goes on/, PATIENCE_MS);
    await ok("kill $(cat /tmp/tail); wait");
    return output.trim().split("\n").pop() ?? "";
  });
  await checks.run("echo > queen/ctl spawns a worker that runs, and its files are there", async () => {
    const before = await ours.counter("/proc/9p/workers", "spawned");
    await ok(`echo '{"spawn":"heartbeat"}' > queen/ctl`);
    id = `worker-${before + 1}`;
    ensure((await ours.counter("/proc/9p/workers", "spawned")) === before + 1, "no worker more");
    const files = (await ok(`ls -1 worker/${id}`)).trim().split("\n");
    const there = await ours.names(`/worker/${id}`);
    ensure(String(files.sort()) === String([...there].sort()), `${String(files)}, there is ${String(there)}`);
    return `${id}: ${(await ok(`cat worker/${id}/status`)).trim().replaceAll("\n", " ")}`;
  });
  await checks.run("its heartbeats arrive", async () => {
    const output = await ok(`sleep 2; cat worker/${id}/telemetry; sleep 1; tail -n 1 worker/${id}/telemetry`);
    const beats = [...output.matchAll(/^heartbeat (\d+)$/gm)].map(([, beat]) => Number(beat));
    ensure(beats[0] === 1 && beats.length > 2 && beats.at(-1)! > beats.at(-2)!, output);
    return `heartbeat 1 to ${beats.at(-1)}`;
  });
  await checks.run("a reader of telemetry.follow waits for each, and is gone when it is killed", async () => {
    // Linux asks again and again until a reader's buffer is full, so a reader that follows takes a byte at a time.
    await ok(`while read -r line; do echo "got $line"; done <worker/${id}/telemetry.follow & echo $! >/tmp/reader`);
    const first = await guest.expect(/got heartbeat \d+/, PATIENCE_MS);
    const next = Number((await ours.cat(`/worker/${id}/telemetry`)).trim().split(" ").pop()) + 1;
    await guest.expect(new RegExp(`got heartbeat ${next}\\b`), PATIENCE_MS);
    await ok("kill -9 $(cat /tmp/reader); wait");
    return `${/heartbeat \d+/.exec(first)?.[0] ?? ""} and on to heartbeat ${next}, which came when it was there`;
  });
  await checks.run("what the namespace does not offer is refused, and changes nothing", async () => {
    const there = String(await pathsBelow(ours, "."));
    const refused: string[] = [];
    for (const command of [
      "mkdir log/new",
      "mkdir new",
      "echo x > proc/boot",
      "echo x > log/new",
      `echo x > worker/${id}/telemetry`,
      "rm log/queen.log",
      "rmdir log",
      "mv log/queen.log log/other",
      "ln -s queen.log log/other",
      "chmod 777 log/queen.log",
      `echo '{"spawn":"nonsense"}' > queen/ctl`,
    ]) {
      const { status, output } = await guest.run(command);
      ensure(status !== 0, `${command}: succeeded`);
      refused.push(/(?:: )([^:]+)$/.exec(output.trim())?.[1] ?? output.trim());
    }
    ensure(String(await pathsBelow(ours, ".")) === there, "something has changed");
    return [...new Set(refused)].join(", ");
  });
  await checks.run("kill removes the worker's directory, under a reader's hands", async () => {
    await ok(`exec 3<worker/${id}/telemetry; echo '{"kill":"${id}"}' > queen/ctl`);
    ensure((await ours.open(`/worker/${id}/status`)) === "!ENOENT", "it is still there");
    const { status, output } = await guest.run(`cat worker/${id}/status`);
    ensure(status !== 0 && /No such file/.test(output), output);
    // Linux asks on until its buffer is full and then forgets what it had, so it is asked for no more than is there.
    ensure(/^heartbeat 1$/m.test(await ok("dd bs=12 count=1 <&3 2>/tmp/dd")), "what was there cannot be read");
    const rest = await guest.run("cat <&3");
    ensure(rest.status !== 0 && /endpoint shutdown/.test(rest.output), `cat says: ${rest.output}`);
    await ok("exec 3<&-");
    return output.trim();
  });
  await checks.run("umount ends the session in the hive, and Linux has nothing to complain of", async () => {
    const sessions = await ours.counter("/proc/9p/sessions", "sessions");
    await ok("cd /; umount /mnt");
    await until(
      async () => (await ours.counter("/proc/9p/sessions", "sessions")) === sessions - 1,
      "the session's end",
    );
    const { output } = await guest.run("dmesg | grep -iE '9p|netfs|bug|warn' | grep -vE 'Install|FS-Cache'");
    ensure(output.trim() === "", `the kernel says: ${output}`);
    return "";
  });
}
