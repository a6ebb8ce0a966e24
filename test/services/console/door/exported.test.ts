import { expect } from "chai";
import * as p9 from "../../../../services/secure9p/constants.ts";
import { Session } from "../../../../services/secure9p/session.ts";
import { frame as nineFrame, TestTree } from "../../secure9p/fixture.ts";
import { expectNoErrors, TestHive } from "../../hive/support.ts";
import type { Visitor } from "../../ninedoor/support.ts";
import { nodeBytes } from "../../support/ports.ts";
import { type Caller, DoorTest } from "./support.ts";
import { frame } from "./wire.ts";

const DENIED = "reason=policy detail=denied error=EPERM";
const BUSY = "ERR EXPORT reason=busy detail=busy error=EBUSY";
const PONG = ["OK PING reply=pong", "PONG"];

afterEach(expectNoErrors);

function attach(door: DoorTest, name = "files", ttlS?: number): Caller {
  return door.attach("service", door.all.ticket("service", { subject: name, ttlS }));
}

/** A service that has dialled in and serves a tree. */
class Served {
  readonly tree: TestTree;
  readonly session: Session;
  readonly caller: Caller;
  readonly #door: DoorTest;

  constructor(door: DoorTest, name = "files", tree = new TestTree(), ttlS?: number) {
    this.tree = tree;
    this.#door = door;
    this.session = new Session({ tree, bytes: nodeBytes, fids: 1024, tags: 64 });
    this.caller = attach(door, name, ttlS);
    expect(this.caller.send(frame(`EXPORT ${name}`)).take()).to.deep.equal(Buffer.alloc(0));
    const bytes = this.caller.bytes();
    const said = frame(`OK EXPORT service=${name}`);
    expect(bytes.subarray(0, said.length)).to.deep.equal(said);
    this.#take(bytes.subarray(said.length));
    while (this.carry());
  }

  /** @returns whether anything moved */
  carry(): boolean {
    const asked = this.answer();
    this.#door.settle();
    return asked;
  }

  /** Answer what was asked, and leave it to the door when it looks. @returns whether there was something */
  answer(): boolean {
    const come = this.caller.bytes();
    this.#take(come);
    return come.length > 0;
  }

  #take(bytes: Buffer): void {
    this.session.receive(bytes, 0, bytes.length);
    while (this.session.unsent > 0) {
      const { out, start, run } = this.session;
      this.caller.send(out.slice(start, start + run));
      this.session.sent(run);
    }
  }
}

/** A Queen whose requests the services answer at once. */
function queen(door: DoorTest, ...services: readonly Served[]): Visitor {
  const visitor = door.all.visit(door.all.operator());
  visitor.around = () => services.map((service) => service.carry()).includes(true);
  return visitor;
}

function exports(door: DoorTest): string[] {
  return door.all
    .log()
    .filter((line) => line.startsWith("export: "))
    .map((line) => line.slice(8));
}

describe("console door: EXPORT", () => {
  it("makes the client the server on its connection, and its tree a service that the Queen mounts and reads", () => {
    const door = new DoorTest();
    const tree = new TestTree();
    tree.root.dir("sub").file("a", "text of a service\n");
    const served = new Served(door, "files", tree);
    const visitor = queen(door, served);
    expect(visitor.echo('{"mount":{"service":"files","at":"/mnt"}}\n', "/queen/ctl")).to.equal("42");
    expect(visitor.cat("/mnt/sub/a")).to.equal("text of a service\n");
    expect(visitor.list("/")).to.include("mnt");
    expect(exports(door)).to.deep.equal(["exported service=files session=1"]);
    expect(door.server.lines().at(-1)).to.equal("connection 1 9p service tcp 10.0.2.2:40000 unsent=0");
    expect(visitor.cat("/proc/9p/services")).to.match(
      /^exported 1\ngone 0\nrefused 0\nfailed 0\nrequests \d+\n[^]*\nservice files up session=1 in_flight=0 waiting=0 fids=1 qids=3\n$/,
    );
    // Nobody else sees it who has not mounted it, and the path that the policy knows it by is none.
    expect(visitor.walk("/svc/files")).to.equal("!ENOENT");
    const observer = door.all.visit(door.all.login("observer"));
    expect(observer.walk("/mnt")).to.equal("!EPERM");
  });

  it("is for a service whose ticket says that name, and audited where it is not", () => {
    const door = new DoorTest();
    expect(door.enter().say("EXPORT files", "PING")).to.deep.equal([
      "ERR EXPORT reason=policy detail=unauthenticated",
      ...PONG,
    ]);
    expect(attach(door, "other").say("EXPORT files", "PING")).to.deep.equal([`ERR EXPORT ${DENIED}`, ...PONG]);
    for (const role of ["queen", "observer"] as const) {
      expect(door.attach(role).say("EXPORT files", "PING"), role).to.deep.equal([`ERR EXPORT ${DENIED}`, ...PONG]);
    }
    expect(door.all.log().filter((line) => line.includes("denied export"))).to.deep.equal([
      "audit: denied export path=/svc/files role=service subject=other why=not-granted session=1",
      "audit: denied export path=/svc/files role=queen why=not-granted session=2",
      "audit: denied export path=/svc/files role=observer why=not-granted session=3",
    ]);
    expect(door.all.hive.exports.counters.exported).to.equal(0);
  });

  it("is all that a service may do", () => {
    const door = new DoorTest();
    const caller = attach(door);
    const refused = {
      "ls /": "LS",
      "cat /proc/boot": "CAT",
      "tail /log/queen.log": "TAIL",
      log: "LOG",
      stop: "STOP",
      "echo /log/queen.log x": "ECHO",
      'spawn {"spawn":"heartbeat"}': "SPAWN",
      "kill worker-1": "KILL",
      "bind /proc /x": "BIND",
      "mount log /l": "MOUNT",
      secure9p: "SECURE9P",
    };
    for (const [line, verb] of Object.entries(refused)) {
      const [answer, ...more] = caller.say(line);
      expect(answer, line).to.match(new RegExp(`^ERR ${verb} reason=policy detail=denied( path=\\S+)? error=EPERM$`));
      expect(more).to.deep.equal([]);
    }
    expect(caller.say("PING", "DETACH")).to.deep.equal([...PONG, "OK DETACH"]);
    expect(caller.say(`ATTACH service ${door.all.ticket("service", { subject: "files" })}`, "QUIT")).to.deep.equal([
      "OK ATTACH role=service",
      "OK QUIT",
    ]);
  });

  it("is refused to the second of a name until the first is gone, and the second goes on with lines", () => {
    const door = new DoorTest();
    const first = new Served(door);
    const second = attach(door);
    expect(second.say("EXPORT files", "PING")).to.deep.equal([BUSY, ...PONG]);
    first.caller.leave();
    expect(door.ends).to.deep.equal({ left: 1 });
    expect(second.say("EXPORT files")[0]).to.equal("OK EXPORT service=files");
  }).timeout(20_000);

  it("asks at once, and takes nothing for an answer that it did not ask for", () => {
    const door = new DoorTest();
    const caller = attach(door);
    const answer = nineFrame(p9.RVERSION, p9.NOTAG, { msize: 8192, version: "9P2000.L" });
    caller.send(frame("EXPORT files"), answer).bytes();
    // What came along with the line came behind it, and so behind the request.
    expect(exports(door)).to.deep.equal([]);
    caller.send(answer).bytes();
    expect(exports(door)).to.deep.equal(["failed service=files session=1 why=it broke the protocol"]);
    expect(door.ends).to.deep.equal({ dropped: 1 });
  });

  it("ends with the connection, however that ends, and comes back with the next", () => {
    const ends: [string, string, (served: Served, door: DoorTest) => void][] = [
      ["left", "left", ({ caller }) => caller.leave()],
      ["reset", "reset", ({ caller }) => caller.reset()],
      ["closed", "closed", (_, door) => door.server.close()],
      ["revoked", "revoked", (_, door) => door.pass(60_000)],
      ["dropped", "it broke the protocol", ({ caller }) => caller.send(Uint8Array.of(3, 0, 0, 0)).bytes()],
      ["dropped", "it did not answer in time", (_, door) => door.pass(35_000)],
      [
        "half",
        "half",
        ({ caller }, door) => {
          caller.send(Uint8Array.of(19, 0, 0)).bytes();
          door.pass(10_000);
        },
      ],
    ];
    for (const [end, why, play] of ends) {
      const door = new DoorTest();
      const { timers } = door.all;
      const before = timers.size;
      const all = door.all;
      const tree = new TestTree();
      tree.root.file("a", "x");
      const first = new Served(door, "files", tree, end === "revoked" ? 60 : undefined);
      const visitor = queen(door, first);
      visitor.echo('{"mount":{"service":"files","at":"/mnt"}}\n', "/queen/ctl");
      const fid = visitor.opened("/mnt/a");
      if (end === "revoked") {
        // It is there all the time.
        visitor.around = undefined;
        door.pass(29_999);
        first.carry();
        door.pass(1);
        first.carry();
      }
      if (end === "revoked") door.pass(29_999);
      visitor.around = undefined;
      play(first, door);
      expect(exports(door).at(-1), end).to.equal(`gone service=files session=1 why=${why}`);
      expect(door.ends, end).to.deep.equal({ [end]: 1 });
      expect([visitor.read(fid, 0), visitor.walk("/mnt/a")], end).to.deep.equal(["!ESHUTDOWN", "!EBUSY"]);
      door.pass(10_000);
      expect([door.server.connections, all.hive.sessions().length], end).to.deep.equal([0, 1]);
      visitor.session.close();
      if (end === "closed") continue;
      expect(timers.size, end).to.equal(before);
      const back = new Served(door, "files", tree);
      const again = queen(door, back);
      again.echo('{"mount":{"service":"files","at":"/mnt"}}\n', "/queen/ctl");
      expect(again.cat("/mnt/a"), end).to.equal("x");
    }
  });

  it("waits for 9P of a client that says nothing for 5 s, and no longer", () => {
    const door = new DoorTest();
    const caller = attach(door);
    expect(caller.send(frame("EXPORT files")).bytes().length).to.be.greaterThan(0);
    door.pass(4999);
    expect(door.ends).to.deep.equal({});
    door.pass(1);
    expect(door.ends).to.deep.equal({ dropped: 1 });
    expect(exports(door)).to.deep.equal(["failed service=files session=1 why=it did not answer in time"]);
    door.pass(5000);
    expect(door.server.connections).to.equal(0);
  });

  it("has its answers paid for by itself, in turns that do little, and they hold up nobody", () => {
    const door = new DoorTest();
    const tree = new TestTree();
    tree.root.file("big", "x".repeat(100_000));
    const served = new Served(door, "files", tree);
    const visitor = queen(door, served);
    visitor.echo('{"mount":{"service":"files","at":"/mnt"}}\n', "/queen/ctl");
    const fid = visitor.opened("/mnt/big");
    visitor.around = undefined;
    const reads = Array.from({ length: 8 }, (_, i) => visitor.readLater(fid, i * 8000, 8000));
    served.answer();
    // All eight answers lie in the hive's receive buffer; one turn of the stage takes some of them.
    const { dispatch } = door.server;
    const before = served.caller.readable;
    expect(before).to.be.greaterThan(30_000);
    expect(dispatch.serve(80, door.all.clock.us)).to.be.within(1, 200);
    expect(before - served.caller.readable).to.be.within(1024, 12_000);
    const other = door.enter();
    expect(other.say("PING")).to.deep.equal(PONG);
    visitor.pump();
    expect(reads.map(({ result }) => result.length)).to.deep.equal(Array(8).fill(8000));
  });

  it("is shown to lines of a console as any file", () => {
    const door = new DoorTest();
    const tree = new TestTree();
    tree.root.file("notes", "one\ntwo\n");
    tree.root.file("evil\nEND\u001b[2J", "x");
    const served = new Served(door, "files", tree);
    const caller = door.attach();
    const say = (line: string): string[] => {
      caller.send(frame(line));
      const lines = caller.lines();
      while (served.carry()) lines.push(...caller.lines());
      return [...lines, ...caller.lines()];
    };
    expect(say("MOUNT files /mnt")).to.deep.equal(["OK MOUNT service=files at=/mnt"]);
    expect(say("CAT /mnt/notes")).to.deep.equal(["OK CAT path=/mnt/notes data=one|two", "one", "two", "END"]);
    expect(say("LS /mnt")).to.deep.equal(["OK LS path=/mnt entries=2", "notes", "evil?END?[2J", "END"]);
    expect(say("CAT /mnt/none")).to.deep.equal(["ERR CAT reason=policy detail=not-found path=/mnt/none error=ENOENT"]);
    expect(say("TAIL -f /mnt/notes")).to.deep.equal([
      "ERR TAIL reason=policy detail=unsupported path=/mnt/notes error=EOPNOTSUPP",
    ]);
    served.caller.leave();
    expect(say("CAT /mnt/notes")).to.deep.equal(["ERR CAT reason=busy detail=busy path=/mnt/notes error=EBUSY"]);
    expect(say("MOUNT files /other")).to.deep.equal(["ERR MOUNT reason=busy detail=busy error=EBUSY"]);
  });

  it("frees everything when it comes and goes a hundred times", () => {
    const all = new TestHive();
    const door = new DoorTest({ all });
    const before = all.timers.size;
    const tree = new TestTree();
    tree.root.file("a", "x");
    const visitor = all.visit(all.operator());
    for (let i = 0; i < 100; i++) {
      const served = new Served(door, "files", tree);
      visitor.around = () => served.carry();
      if (i === 0) visitor.echo('{"mount":{"service":"files","at":"/mnt"}}\n', "/queen/ctl");
      const fid = visitor.opened("/mnt/a");
      expect(visitor.read(fid, 0)).to.equal("x");
      visitor.around = undefined;
      const waiting = visitor.readLater(fid, 0);
      served.caller.reset();
      visitor.pump();
      expect(waiting.result).to.equal("!ESHUTDOWN");
      visitor.clunk(fid);
    }
    expect([all.timers.size, door.server.connections, all.hive.sessions().length]).to.deep.equal([before, 0, 1]);
    expect(all.hive.exports.counters).to.deep.equal({ exported: 100, gone: 100, refused: 0, failed: 0 });
    const { requests, answers, cancelled, timedOut, busy } = all.hive.exports.requests;
    expect([cancelled, timedOut, busy]).to.deep.equal([0, 0, 0]);
    expect(requests).to.equal(400);
    expect(answers).to.be.greaterThan(300);
  });
});
