/**
 * Benchmarks of NineDoor: a session of the Queen that reads `/proc/boot` and appends lines to `/log/queen.log`, asked by
 * frames that were made before. One request is in flight at a time, each reply is looked at and taken.
 */
import { SessionTree } from "../../../services/ninedoor/attach.ts";
import { AuditLog } from "../../../services/log/audit-log.ts";
import { Namespace } from "../../../services/ninedoor/namespace.ts";
import { View } from "../../../services/ninedoor/view.ts";
import { Grant } from "../../../services/roles/grant.ts";
import * as p9 from "../../../services/secure9p/constants.ts";
import { encode } from "../../../services/secure9p/encode.ts";
import { Message } from "../../../services/secure9p/message.ts";
import { Session } from "../../../services/secure9p/session.ts";
import { type Span, Writer } from "../../../services/secure9p/wire.ts";
import { type Benchmark, bytes } from "./benchmark.ts";

/** About the size of a hive's own. */
const BOOT = "subsystem net up at 104.512 ms, link up, 10.0.2.15/24\n".repeat(11);
const LINE = "heartbeat 42: all is well, and the line has some length to it.\n";
const FILE = 1;
const LOG = 2;

const writer = new Writer(bytes);

function fill(span: Span, text: string): void {
  const content = new Uint8Array(text.length);
  bytes.encode(text, content, 0);
  span.set(content, 0, content.length);
}

/** A request as bytes. */
function request(type: number, set: (m: Message) => void): Uint8Array {
  const m = new Message();
  m.type = type;
  m.tag = type === p9.TVERSION ? p9.NOTAG : 1;
  set(m);
  const frame = new Uint8Array(512);
  return frame.slice(0, encode(m, writer, frame, 0, frame.length));
}

function walk(newfid: number, ...names: readonly string[]): Uint8Array {
  return request(p9.TWALK, (m) => {
    m.newfid = newfid;
    m.nwname = names.length;
    names.forEach((name, i) => fill(m.wnames[i]!, name));
  });
}

function open(fid: number, flags: number): Uint8Array {
  return request(p9.TLOPEN, (m) => {
    m.fid = fid;
    m.flags = flags;
  });
}

function attached(): Session {
  const clock = { nowUs: () => host.nowUs() };
  const namespace = new Namespace({
    bytes,
    clock,
    queen: { take: () => undefined },
    // Smaller than a hive's, so that it overflows in here too.
    limits: { logBytes: 65_536 },
  });
  namespace.addProc("boot", () => BOOT);
  const audit = new AuditLog(namespace.queenLog, clock);
  const grant = Grant.ofOperator(0);
  const view = new View({ namespace, grant, session: 1, leases: { isLessee: () => false }, audit, clock });
  return new Session({ tree: new SessionTree(view, namespace.counters), bytes });
}

const session = attached();

/** Have a request answered. @throws Error if the reply is not of its kind. */
function ask(frame: Uint8Array): void {
  session.receive(frame, 0, frame.length);
  if (session.out[session.start + 4] !== frame[4]! + 1) throw new Error(`ninedoor: request ${frame[4]} is refused`);
  while (session.unsent > 0) session.sent(session.run);
}

ask(
  request(p9.TVERSION, (m) => {
    m.msize = p9.MSIZE_MAX;
    fill(m.version, p9.VERSION);
  }),
);
ask(
  request(p9.TATTACH, (m) => {
    m.fid = 0;
    m.afid = p9.NOFID;
    m.nUname = p9.NONUNAME;
  }),
);
ask(walk(LOG, "log", "queen.log"));
ask(open(LOG, p9.O_WRONLY));

const walkBoot = walk(FILE, "proc", "boot");
const openBoot = open(FILE, p9.O_RDONLY);
const readBoot = request(p9.TREAD, (m) => {
  m.fid = FILE;
  m.count = 4096;
});
const clunkBoot = request(p9.TCLUNK, (m) => (m.fid = FILE));
const append = request(p9.TWRITE, (m) => {
  m.fid = LOG;
  fill(m.data, LINE);
});

export const nineDoorBenchmarks: readonly Benchmark[] = [
  {
    name: "ninedoor-walk-open-read-clunk",
    batch: 50,
    run: (count) => {
      for (let done = 0; done < count; done++) {
        ask(walkBoot);
        ask(openBoot);
        ask(readBoot);
        ask(clunkBoot);
      }
    },
    also: { name: "ninedoor-requests-of-those", each: 4 },
  },
  {
    name: "ninedoor-append-line",
    batch: 100,
    run: (count) => {
      for (let done = 0; done < count; done++) ask(append);
    },
  },
];
