/**
 * Connections to the door of a hive on seL4 in QEMU that begin to say something and stop: with the token, which takes a session, and
 * without, which takes a stranger's place. Who has something to say comes in and works all the while, and each of them ends as
 * docs/INTERFACES.md says.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { frame } from "../services/console/door/wire.ts";
import { CabledHive } from "./cabled-hive.ts";
import { ConsoleWire } from "./console-wire.ts";
import { needsQemu } from "./qemu-image.ts";
import { growth } from "./reports.ts";

/** Held open at once: those with the token leave six sessions to others. */
const WITH_TOKEN = 10;
const STRANGERS = 54;
const PLACES = 8;
const SESSIONS = 16;
/** When a stranger who was pushed out comes again. */
const AGAIN_MS = 1000;
/** Between two who work. */
const PAUSE_MS = 20;
/** More than the 10 s that half a frame has, and than the 5 s that a stranger has. */
const ENDED_MS = 100_000;
const HALF = 9;
const LOG = "/log/queen.log";

describe("half frames at the door of a hive on seL4 in QEMU", function () {
  needsQemu(this);
  this.timeout(180_000);
  let hive: CabledHive;
  let port: number;
  before(async () => {
    hive = await CabledHive.boot();
    port = await hive.from();
  });
  after(() => hive.end());

  /** Log in, do something, leave. */
  const work = async (text: string): Promise<void> => {
    const wire = await hive.queen(port);
    expect(await wire.ask(`ECHO ${LOG} ${text}`)).to.equal(`OK ECHO path=${LOG} bytes=${text.length + 1}`);
    wire.send("CAT /proc/version");
    expect((await wire.stream()).at(-1)).to.equal("END");
    await wire.quit();
  };

  it(`hold ${WITH_TOKEN + STRANGERS} connections open, and nobody up`, async () => {
    await Promise.all(Array.from({ length: 4 }, (_, i) => work(`early ${i}`)));
    // Reports, too, take what they take once.
    await hive.counters();
    const before = await hive.quiet();
    const counts = await hive.counters();
    const half = frame(`AUTH ${hive.token}`).subarray(0, HALF);
    let over = false;
    let came = 0;
    /** Somebody who says half of what opens the door, for as long as that is borne, and again. */
    const stranger = async (): Promise<void> => {
      while (!over) {
        const wire = await ConsoleWire.open(port);
        came++;
        wire.raw(half);
        expect(await wire.line(ENDED_MS)).to.equal(undefined);
        wire.close();
        await sleep(AGAIN_MS);
      }
    };
    const knowing = await Promise.all(
      Array.from({ length: WITH_TOKEN }, () => ConsoleWire.authenticated(port, hive.token)),
    );
    let worked = 0;
    await hive.meanwhile(async () => {
      for (const wire of knowing) wire.raw(frame(`ECHO ${LOG} half`).subarray(0, HALF));
      const strangers = Promise.all(Array.from({ length: STRANGERS }, stranger));
      const working = async (): Promise<void> => {
        for (; !over; worked++) {
          await work(`meanwhile ${worked}`);
          await sleep(PAUSE_MS);
        }
      };
      const worker = working();
      for (const wire of knowing) expect(await wire.line(ENDED_MS)).to.equal(undefined);
      over = true;
      await Promise.all([worker, strangers]);
    });
    console.log(`      ${came} half tokens came, and ${worked} times somebody with all of it`);
    for (const wire of knowing) wire.close();
    const after = await hive.unharmed(before);
    const grown = growth(counts, await hive.counters(), /^(?:accepted|authenticated|end_\w+|frames|ok|err|dropped)$/);
    const { end_crowded: crowded = 0, end_late: late = 0, ...rest } = grown;
    // What has begun to come is no line yet.
    const lines = 4 * worked;
    expect(rest).to.deep.equal({
      accepted: WITH_TOKEN + came + worked,
      authenticated: WITH_TOKEN + worked,
      frames: lines,
      ok: lines,
      end_half: WITH_TOKEN,
      end_quit: worked,
    });
    expect(crowded + late).to.equal(came);
    // The last ones had nobody behind them.
    expect(late).to.be.at.least(PLACES - 1);
    expect(crowded).to.be.at.least(STRANGERS - PLACES);
    expect(worked).to.be.at.least(10);
    // Who had a session is a stranger again while it goes; more than all places together there are never.
    expect(after.pools.get("door.strangers")?.["peak"]).to.be.within(PLACES, PLACES + SESSIONS);
    const { connections_high_water: most } = await hive.counters();
    expect(most).to.be.at.most(PLACES + SESSIONS);
    expect(after.pools.get("door.sessions")?.["peak"]).to.be.within(WITH_TOKEN + 1, SESSIONS);
  });
});
