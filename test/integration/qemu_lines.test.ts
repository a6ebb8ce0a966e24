/**
 * One conversation on every line of a hive on seL4 in QEMU: the serial line, the virtio console and TCP. What is acknowledged is the
 * same to the byte, and so is what follows, but for times and for who came in where.
 */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { type ConsoleEnd, TypedLine } from "./console-ends.ts";
import { ConsoleWire } from "./console-wire.ts";
import { MonitoredHive } from "./monitored-hive.ts";
import { needsQemu } from "./qemu-image.ts";

/** Each is answered by what stands on every line; workers' ids count from the boot. */
const SAID = [
  ...[
    "ping",
    "HELP",
    "ls /",
    "stop",
    "frobnicate",
    "attach",
    "attach emperor x",
    "ping x",
    "spawn {}",
    "SECURE9P x",
    "export x",
  ],
  "LOGIN",
  ...["ls /", "ls /proc", "LS /log/", "ls /none", "ls /proc/version", "ls", "ls a", `ls /${"a".repeat(255)}`],
  ...[
    "cat /proc/version",
    "cat /proc",
    "cat /none",
    "cat /queen/ctl",
    "tail /proc/version",
    "tail /none 3",
    "tail -f",
    "tail",
  ],
  ...["echo /log/queen.log one  and  a half", "echo 'two' > /log/queen.log", 'echo "/3" > /log/queen.log', "echo four"],
  ...[
    "echo /proc/boot x",
    "echo /none x",
    "echo /queen/ctl {}",
    "echo /log/queen.log",
    `echo /log/queen.log ${"5".repeat(900)}`,
  ],
  ...["cat /log/queen.log", "tail /log/queen.log", "log", "log x", "stop", "stop x"],
  ...[
    'spawn {"spawn":"heartbeat","ticks":0}',
    'spawn {"spawn":"gpu"}',
    "spawn",
    "spawn x",
    'spawn {"spawn":"heartbeat","budget":{"ttl_s":60}}',
  ],
  ...["kill worker-9", "kill", "kill a b", "kill worker-1", "kill worker-1", "ls /worker"],
  ...[
    "bind /log /shadow",
    "bind /log",
    "bind /none /x",
    "ls /shadow",
    "mount log /audit",
    "mount none /x",
    "mount log",
    "ls /",
  ],
  ...["cat /log/../proc/version", "cat /a/b/c/d/e/f/g/h/i", "cat /proc/version x", "Ünïcode", "cat /größe", "ls /"],
  ...["detach", "detach", "ls /", "log", "ping"],
];

/** What a line's own is and no other's. */
function comparable(line: string): string {
  return line
    .replace(/\[ *\d+\.\d{6}\]/g, "[time]")
    .replace(/( from=)(?:serial|tcp \S+)/g, "$1<where>")
    .replace(/( by=)\w+/g, "$1<what>");
}

describe("the lines of a hive on seL4 in QEMU", function () {
  needsQemu(this);
  const credentials = { token: "", ticket: "" };
  before(() => {
    const { token, tickets } = readCredentials(readFileSync(credentialsPath, "utf8"));
    Object.assign(credentials, { token, ticket: tickets.queen });
  });

  /** All that is answered, a list for each line said. */
  const converse = async (
    words: readonly string[],
    open: (hive: MonitoredHive) => Promise<ConsoleEnd>,
    login: string,
  ) => {
    const hive = await MonitoredHive.start(words);
    try {
      const end = await open(hive);
      const answers: string[][] = [];
      for (const line of SAID) {
        // A `ping` is its own end.
        const wanted = line === "ping" ? [] : [line === "LOGIN" ? login : line];
        answers.push((await end.say(...wanted)).map(comparable));
      }
      return answers;
    } finally {
      await hive.end();
    }
  };

  it("say the same to the byte", async () => {
    const { token, ticket } = credentials;
    const typed = (hive: MonitoredHive): Promise<ConsoleEnd> => Promise.resolve(new TypedLine(hive.line));
    const [serial = [], virtio = [], tcp = []] = await Promise.all([
      converse([], typed, `attach queen ${token}`),
      converse(["--console", "virtio"], typed, `attach queen ${token}`),
      converse([], (hive) => ConsoleWire.authenticated(hive.port, token), `attach queen ${ticket}`),
    ]);
    // Who came in over TCP has said the token before, and that is in the log.
    const entered = (answers: readonly string[]): string[] =>
      answers.filter((line) => !line.startsWith("[time] login: authenticated from=<where>"));
    for (const [index, line] of SAID.entries()) {
      expect(serial[index]?.length, `${line} is answered`).to.be.greaterThan(line === "ping" ? -1 : 0);
      expect(virtio[index], `${line} on the virtio console`).to.deep.equal(serial[index]);
      expect(entered(tcp[index] ?? []), `${line} over TCP`).to.deep.equal(serial[index]);
    }
    expect(serial.flat().filter((line) => line.startsWith("OK ")).length).to.be.at.least(20);
    expect(serial.flat().filter((line) => line.startsWith("ERR ")).length).to.be.at.least(40);
  });

  it("end a login each in its own way", async () => {
    const { token, ticket } = credentials;
    const hive = await MonitoredHive.start();
    try {
      const line = new TypedLine(hive.line);
      const wire = await ConsoleWire.attached(hive.port, token, ticket);
      expect(await line.say(`attach queen ${token}`, "quit", "ls /")).to.deep.equal([
        "OK ATTACH role=queen",
        "OK QUIT to leave this console press Ctrl-A, then x",
        "ERR LS reason=policy detail=unauthenticated",
      ]);
      // Each line has its own login.
      wire.send("ls /queen", "quit");
      expect(await wire.lines(5)).to.deep.equal(["OK LS path=/queen entries=1", "ctl", "END", "OK QUIT", undefined]);
    } finally {
      await hive.end();
    }
  });
});
