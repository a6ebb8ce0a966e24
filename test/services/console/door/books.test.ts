import { expect } from "chai";
import fc from "fast-check";
import { expectNoErrors } from "../../hive/support.ts";
import { randomLine } from "../lines.ts";
import { DoorTest } from "./support.ts";
import { frame, lengthOf } from "./wire.ts";

const DENIED = "ERR AUTH reason=policy detail=denied";

afterEach(expectNoErrors);

describe("console door: books", () => {
  it("opens to no bytes but the token's, and forgets whoever sent them", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((any) => Buffer.from(any)),
      fc.uint8Array({ maxLength: 60 }).map(frame),
      fc.string({ maxLength: 30 }).map((text) => frame(`AUTH ${text}`)),
      fc.nat(100_000).map(lengthOf),
    );
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 1, maxLength: 5 }), (parts) => {
        const door = new DoorTest();
        const caller = door.call();
        for (const part of parts) {
          caller.send(part);
          door.settle();
        }
        door.pass(15_000);
        expect(caller.lines().filter((line) => line !== DENIED)).to.deep.equal([]);
        expect(door.server.counters).to.include({ authenticated: 0, frames: 0 });
        expect([door.server.connections, door.failures.length]).to.deep.equal([0, 0]);
      }),
      { numRuns: 300 },
    );
  });

  it("acknowledges or drops each line, whatever is said and whenever the client goes", () => {
    const bytes = fc.oneof(
      { weight: 6, arbitrary: randomLine.map(frame) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map(frame) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(frame("x".repeat(2000)), frame("PING"), frame("TAIL -f /log/queen.log")),
      },
    );
    fc.assert(
      fc.property(
        fc.array(bytes, { maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 20 }),
        fc.constantFrom("leave", "reset", "quit", "cut"),
        fc.integer({ min: 0, max: 70_000 }),
        (parts, cuts, end, room) => {
          const door = new DoorTest();
          const caller = door.attach();
          caller.bytes();
          const stream = Buffer.concat(parts);
          let at = 0;
          for (const size of cuts) {
            caller.room = room;
            caller.send(stream.subarray(at, at + size));
            door.pass(1);
            at += size;
          }
          caller.send(stream.subarray(at, end === "cut" ? at + 100 : undefined));
          door.settle();
          if (end === "quit") caller.send(frame("QUIT"));
          if (end === "reset" || end === "cut") caller.reset();
          else caller.leave();
          caller.room = Infinity;
          door.pass(60_000);
          const { frames, ok, err, dropped } = door.server.counters;
          expect(frames).to.equal(ok + err + dropped);
          expect(door.server.connections).to.equal(0);
          expect(door.all.hive.sessions()).to.deep.equal([]);
          expect(door.failures).to.deep.equal([]);
        },
      ),
      { numRuns: 150 },
    );
  });
});
