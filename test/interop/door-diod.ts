/** diod's tools read a hive on seL4 through `cohsh 9p`: each byte and each refusal as it is, several of them at once. */
import { join } from "node:path";
import { ensure } from "../../scripts/lib/checks.ts";
import { O_WRONLY } from "../../services/secure9p/constants.ts";
import { diodTool, linesOf } from "./diod-tools.ts";
import { type DoorScene, until, Way } from "./way.ts";

/** Lines that make the log longer than any message. */
const LINES = 600;
/** As many as a relay lets in at once. */
const AT_ONCE = 8;
/** What the tools call the tree that they want; the login of the relay decides. */
const ANAME = "/";

const sorted = (names: string[] | string): string => String([...names].sort());

export async function diodAtTheDoor(scene: DoorScene): Promise<void> {
  const { checks, ours, folder } = scene;
  const socket = join(folder, "9p");
  const observers = join(folder, "observer");
  const queen = await Way.open(scene, "queen", socket);
  const observer = await Way.open(scene, "observer", observers);
  try {
    await checks.run("diodls lists the root of a hive on seL4, through cohsh 9p", async () => {
      const { status, out, err } = await diodTool("diodls", socket, ANAME);
      ensure(status === 0, err);
      const listed = linesOf(out);
      ensure(sorted(listed) === sorted(await ours.names("/")), `it lists ${String(listed)}`);
      return listed.join(" ");
    });
    await checks.run("diodls -l shows type and mode of what is there", async () => {
      const { status, out, err } = await diodTool("diodls", socket, ANAME, "-l", "log", "proc", "queen");
      ensure(status === 0, err);
      ensure(/^-rw-r--r--.* queen\.log$/m.test(out) && /^-r--r--r--.* boot\.log\.follow$/m.test(out), out);
      ensure(/^-rw-r--r--.* ctl$/m.test(out) && /^dr-xr-xr-x.* net$/m.test(out), out);
      return `${linesOf(out).length} lines`;
    });
    await checks.run("diodcat reads a computed file", async () => {
      const { status, out, err } = await diodTool("diodcat", socket, ANAME, "proc/version");
      ensure(status === 0 && out === (await ours.cat("/proc/version")), `${err}${out}`);
      return out.trim();
    });
    await checks.run("diodcat reads a log longer than any message, byte for byte", async () => {
      const fid = await ours.opened("/log/queen.log", O_WRONLY);
      await Promise.all(Array.from({ length: LINES }, (_, n) => ours.write(fid, `line ${n} größer als ASCII\n`)));
      await ours.clunk(fid);
      const read: number[] = [];
      for (const msize of ["512", "65536"]) {
        const { status, out, err } = await diodTool("diodcat", socket, ANAME, "-m", msize, "log/queen.log");
        ensure(status === 0, err);
        // What has come since is the end of its own login at the most.
        const whole = await ours.cat("/log/queen.log");
        ensure(whole.startsWith(out) && out.includes(`line ${LINES - 1} größer`), `with msize ${msize} it differs`);
        read.push(Buffer.byteLength(out));
      }
      return `${read.join(" and ")} bytes, with msize 512 and 8192 (65536 asked)`;
    });
    await checks.run(`${AT_ONCE} diodcats at once each read all of it`, async () => {
      const said = await Promise.all(
        Array.from({ length: AT_ONCE }, () => diodTool("diodcat", socket, ANAME, "log/queen.log")),
      );
      const whole = await ours.cat("/log/queen.log");
      for (const { status, out, err } of said) ensure(status === 0 && whole.startsWith(out) && out !== "", err);
      return `${said.reduce((sum, { out }) => sum + Buffer.byteLength(out), 0)} bytes`;
    });
    for (const [title, where, path, says] of [
      ["a file that is not there", socket, "proc/none", /No such file/],
      ["a directory read as a file", socket, "proc", /./],
      ["what the role may not see", observers, "queen/ctl", /not permitted/],
    ] as const) {
      await checks.run(`diodcat is refused ${title}`, async () => {
        const { status, out, err } = await diodTool("diodcat", where, ANAME, path);
        ensure(status !== 0 && out === "" && says.test(err), `status ${status}: ${out}${err}`);
        return err.trim();
      });
    }
    await checks.run("a relay complains of nothing, and no session of diod's is left", async () => {
      await until(async () => (await ours.counter("/proc/9p/sessions", "sessions")) === 1, "their sessions' end");
      const complaints = [...queen.complaints, ...observer.complaints];
      ensure(complaints.length === 0, complaints.join("; "));
      return `${queen.tap.accepted + observer.tap.accepted} connections`;
    });
  } finally {
    await queen.close();
    await observer.close();
  }
}
