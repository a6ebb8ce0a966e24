import { expect } from "chai";
import { addReport } from "../../../../services/proc/files.ts";
import { SLICE_US } from "../../../../services/pump/schedule.ts";
import { Client } from "../../../../services/secure9p/client.ts";
import { expectNoErrors } from "../../hive/support.ts";
import { nodeBytes, text } from "../../support/ports.ts";
import { MACHINE } from "../terminal.ts";
import { Session } from "../session.ts";
import { DoorTest } from "./support.ts";
import { frame } from "./wire.ts";

/** What one unit takes: a spawn, say. */
const UNIT_US = 2000;
/** A source goes over its slice by one unit at the most. */
const MOST_US = SLICE_US + UNIT_US;

afterEach(expectNoErrors);

describe("a turn of which a unit takes long", () => {
  const slowDoor = (): DoorTest => {
    const door: DoorTest = new DoorTest({
      verbs: {
        ...MACHINE,
        MEM: (answer) => {
          door.all.clock.us += UNIT_US;
          answer.ok("slow");
          answer.end();
        },
      },
    });
    return door;
  };

  /** The longest of the turns until all is done. */
  const longest = (door: DoorTest): number => {
    const { receive, dispatch, transmit } = door.server;
    const { clock } = door.all;
    let most = 0;
    while (receive.ready(clock.us) || dispatch.ready(clock.us) || transmit.ready(clock.us)) {
      const begun = clock.us;
      for (const stage of [receive, dispatch, transmit]) stage.serve(320, begun);
      most = Math.max(most, clock.us - begun);
    }
    return most;
  };

  it("ends soon after its slice for lines, of one client and of several, and each is answered", () => {
    const door = slowDoor();
    const callers = [door.attach(), door.attach(), door.attach()];
    for (const caller of callers) caller.send(...Array.from({ length: 8 }, () => frame("MEM")));
    expect(longest(door)).to.be.within(UNIT_US, MOST_US);
    for (const caller of callers) {
      expect(caller.lines()).to.deep.equal(Array.from({ length: 8 }, () => ["OK MEM slow", "END"]).flat());
    }
  });

  it("ends soon after its slice for 9P, and each request is answered", () => {
    const door = new DoorTest();
    const { clock, hive } = door.all;
    addReport(hive.namespace, "slow", () => {
      clock.us += UNIT_US;
      return ["slow"];
    });
    const caller = door.attach();
    caller.say("SECURE9P");
    const client = new Client({ bytes: nodeBytes });
    let answers = 0;
    const count = (): void => void answers++;
    const talk = (): number => {
      while (client.unsent > 0) {
        const { run } = client;
        caller.send(client.out.slice(client.start, client.start + run));
        client.sent(run);
      }
      const took = longest(door);
      const come = caller.take();
      client.receive(come, 0, come.length);
      return took;
    };
    client.version(() => client.attach(0, "", "", () => client.walk(0, 1, ["proc", "slow"], count)));
    while (answers === 0) talk();
    for (let i = 0; i < 16; i++) client.getattr(1, 0x7ff, count);
    expect(talk()).to.be.within(UNIT_US, MOST_US);
    expect(answers).to.equal(17);
  });

  it("ends soon after its slice for the serial line, and each line is answered", () => {
    const session: Session = new Session({
      verbs: {
        MEM: (answer) => {
          session.clock.us += UNIT_US;
          answer.ok("slow");
          answer.end();
        },
      },
    });
    session.open();
    session.line.type("mem\r".repeat(8));
    const { clock, pump } = session;
    let most = 0;
    for (let begun = clock.us; pump.turn(clock.us) <= clock.us || clock.us > begun; begun = clock.us) {
      most = Math.max(most, clock.us - begun);
    }
    expect(most).to.be.within(UNIT_US, MOST_US);
    session.settle();
    expect(text(session.line.output()).match(/OK MEM slow/g)).to.have.lengthOf(8);
  });
});
