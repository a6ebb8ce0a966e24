import { expect } from "chai";
import { type Doing, LocalComponents } from "../../../cohsh/mock/components.ts";
import { FORM, FRAME_BYTES, KIND, WORKER } from "../../../services/workers/protocol.ts";

const OPTIONS = { priority: 1, arenaBytes: 65_536, args: [KIND.HEARTBEAT, 0, 500, FORM.LINE] } as const;

describe("cohsh workers in the shell's own process", () => {
  it("run one step from an answer to the next call, and only when nothing holds them", () => {
    let woken = 0;
    const components = new LocalComponents({ wake: () => woken++ });
    const id = components.spawn("worker.elf", OPTIONS);
    expect(woken).to.equal(1);
    expect(components.next()).to.equal(undefined);
    components.suspend(id);
    expect(components.runnable).to.equal(false);
    expect(components.run()).to.equal(false);
    components.resume(id);
    expect(components.runnable).to.equal(true);
    expect(components.run()).to.equal(true);
    expect(components.info(id)).to.include({ state: "calling", calls: 1, image: "worker.elf" });
    expect(components.next()).to.deep.include({ id, kind: "call", label: WORKER.HELLO });
    expect(components.next()).to.equal(undefined);
    components.reply(id, WORKER.START, 0);
    expect(() => components.reply(id, WORKER.START, 0)).to.throw("no call");
    expect(components.run()).to.equal(true);
    // It asks for a version of 9P.
    expect(components.next()).to.deep.include({ label: WORKER.FRAMES });
    expect(components.frame(id)).to.have.length(FRAME_BYTES);
  });

  it("end with the call that an engine makes for an exception", () => {
    const components = new LocalComponents();
    const id = components.spawn("worker.elf", OPTIONS);
    components.run();
    components.next();
    components.reply(id, WORKER.EXIT, 0);
    components.run();
    const event = components.next();
    expect(event?.label).to.equal(WORKER.FAILED);
    const text = Buffer.from(components.frame(id).subarray(0, event?.words[0])).toString("utf8");
    expect(text).to.match(/^Error: Worker: the root answered with label \d+ out of turn\./);
  });

  it("are bounded in number, and their places are used again", () => {
    const components = new LocalComponents();
    for (let n = 0; n < 64; n++) expect(components.spawn("worker.elf", OPTIONS)).to.equal(n);
    expect(() => components.spawn("worker.elf", OPTIONS)).to.throw("all 64 components are in use");
    components.destroy(7);
    expect(() => components.info(7)).to.throw("no component 7");
    expect(components.spawn("worker.elf", OPTIONS)).to.equal(7);
  });

  it("fault, break a rule and hang as their programs do, and take their frame along when they are destroyed", () => {
    const doings: Doing[] = [{ kind: "violation" }, { kind: "fault", fault: "vm", address: 0x40 }, "hang"];
    const components = new LocalComponents({ programs: { any: () => ({ step: () => doings.shift()! }) } });
    const [rude, faulty, lost] = doings.map(() => components.spawn("any", OPTIONS)) as [number, number, number];
    components.suspend(faulty);
    components.suspend(lost);
    expect(components.run()).to.equal(true);
    expect(components.next()).to.deep.include({ id: rude, kind: "violation" });
    expect(components.info(rude).state).to.equal("running");
    components.suspend(rude);
    components.resume(faulty);
    components.run();
    expect(components.info(faulty).state).to.equal("faulted");
    components.resume(lost);
    expect([components.run(), components.hanging, components.running, components.run()]).to.deep.equal([
      ...[true, true, 1, false],
    ]);
    const frame = components.frame(faulty);
    components.destroy(faulty);
    // Its event has gone with it.
    expect([components.next(), frame.length, components.size]).to.deep.equal([undefined, 0, 2]);
    expect(() => components.spawn("none", OPTIONS)).to.throw("no file none");
  });
});
