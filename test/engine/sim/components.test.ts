import { expect } from "chai";
import { ComponentTable, EVENT_CALL, EVENT_FAULT, EVENT_VIOLATION } from "../../../engine/sim/components.ts";
import type { FrameMemory } from "../../../engine/sim/components.ts";

const MEBIBYTE = 1024 * 1024;
const FRAME_BYTES = 16384;

interface Event {
  readonly id: number;
  readonly kind: number;
  readonly words: readonly number[];
}

class Bench {
  readonly table: ComponentTable;
  readonly frames = new Map<number, FrameMemory>();
  changes = 0;

  constructor(budget = 64 * MEBIBYTE) {
    this.table = new ComponentTable(budget, () => this.changes++);
  }

  async spawn(source: string, arenaBytes = 0, args = [1, 2, 3, 4]): Promise<number> {
    const frame = { u8: new Uint8Array(FRAME_BYTES + 8), at: 4 };
    const id = this.table.spawn({ image: "test", source, arenaBytes, args }, frame);
    this.frames.set(id, frame);
    await this.table.settled();
    return id;
  }

  /** Run everything until nothing runs, some steps at most. */
  run(steps = 50): void {
    for (let i = 0; i < steps && this.table.runnable; i++) this.table.step();
  }

  events(): Event[] {
    const events: Event[] = [];
    for (let event = this.table.takeEvent(); event; event = this.table.takeEvent()) events.push(event);
    return events;
  }

  refusal(arenaBytes: number): string | undefined {
    return this.table.refusal({ source: "", arenaBytes });
  }

  state(id: number): string | undefined {
    return this.table.summary(id)?.state;
  }
}

describe("components of the simulator", () => {
  it("start with their arguments, call with words, and get the answer", async () => {
    const it = new Bench();
    const id = await it.spawn("let n = 0; const step = (label, ...words) => [256 + n++, label, ...words.slice(0, 3)];");
    it.run();
    expect(it.events()).to.deep.equal([{ id, kind: EVENT_CALL, words: [256, 0, 1, 2, 3] }]);
    expect([it.state(id), it.table.runnable]).to.deep.equal(["calling", false]);
    expect(it.table.reply(id, [300, 0xffffffff, 0, 7, 8])).to.equal(true);
    it.run();
    expect(it.events()).to.deep.equal([{ id, kind: EVENT_CALL, words: [257, 300, 0xffffffff, 0, 7] }]);
    expect(it.table.summary(id)).to.include({ image: "test", calls: 2, refused: 0 });
  });

  it("are instances of their own: nothing of one is seen by another", async () => {
    const it = new Bench();
    const source = "globalThis.count = (globalThis.count ?? 0) + 1; const step = () => [256, count, 0, 0, 0];";
    for (let i = 0; i < 3; i++) await it.spawn(source);
    it.run();
    expect(it.events().map(({ words }) => words[1])).to.deep.equal([1, 1, 1]);
  });

  it("share their frame at calls and replies, and at no other time", async () => {
    const it = new Bench();
    const id = await it.spawn(
      "let n = 0; const step = () => { n += frame[1]; frame[0] = 10 + n; frame[16383] = 99; return [256, frame[1], 0, 0, 0]; };",
    );
    it.run();
    const { u8, at } = it.frames.get(id) ?? { u8: new Uint8Array(0), at: 0 };
    expect([u8[at], u8[at + 16383], u8[at - 1], u8[at + FRAME_BYTES]]).to.deep.equal([10, 99, 0, 0]);
    u8[at + 1] = 5;
    it.events();
    it.table.reply(id, [256, 0, 0, 0, 0]);
    it.run();
    expect(it.events()[0]?.words[1]).to.equal(5);
    expect(u8[at]).to.equal(15);
  });

  it("have a zeroed arena of whole pages", async () => {
    const it = new Bench();
    await it.spawn("const step = () => [256, arena.length, arena.some((b) => b) ? 1 : 0, 0, 0];", 5000);
    it.run();
    expect(it.events()[0]?.words.slice(0, 3)).to.deep.equal([256, 8192, 0]);
  });

  it("fault when they use more memory than their arena and themselves", async () => {
    const it = new Bench();
    const id = await it.spawn(
      "const kept = []; const step = () => { for (;;) kept.push(new Uint8Array(4096)); };",
      65536,
    );
    it.run();
    const [event] = it.events();
    expect(event).to.deep.equal({ id, kind: EVENT_FAULT, words: [1, 0x400000, 0xa00000 + 65536, 0x92000047, 2] });
    expect(it.state(id)).to.equal("faulted");
  });

  it("fault by exception, by a stack that overflows, and by what is no programme", async () => {
    const it = new Bench();
    const sources = [
      "const step = () => { throw new Error('x'); };",
      "const step = () => step();",
      "const step = () => [1, 2];",
      "const step = 5;",
      "syntax error (",
    ];
    for (const source of sources) await it.spawn(source);
    it.run();
    const kinds = it.events().map(({ id, kind, words }) => [id, kind, words[0]].join());
    expect(kinds.sort()).to.deep.equal(["0,2,4", "1,2,1", "2,2,4", "3,2,4", "4,2,4"]);
  });

  it("are broken off when a step does not end, and stay running for ever without taking time", async () => {
    const it = new Bench();
    const id = await it.spawn("const step = () => { for (;;) try { for (;;); } catch {} };");
    it.table.step();
    expect([it.state(id), it.table.runnable]).to.deep.equal(["running", false]);
    expect(it.events()).to.deep.equal([]);
    expect(it.table.suspend(id)).to.equal(true);
    expect(it.state(id)).to.equal("suspended");
    expect(it.table.resume(id)).to.equal(true);
    it.table.destroy(id);
    expect([it.table.live, it.table.used]).to.deep.equal([0, 0]);
  });

  it("have messages that are no calls refused, counted, and told as one event", async () => {
    const it = new Bench();
    const id = await it.spawn(
      "let n = 0; const step = () => { send(259); return ++n < 10 ? null : [255, 0, 0, 0, 0]; };",
    );
    it.run(10);
    expect(it.table.summary(id)).to.include({ state: "running", refused: 11, calls: 0 });
    expect(it.events()).to.deep.equal([{ id, kind: EVENT_VIOLATION, words: [0, 0, 0, 0, 0] }]);
  });

  it("run only when resumed, also with an answer that came meanwhile", async () => {
    const it = new Bench();
    const id = await it.spawn("const step = () => [256, 0, 0, 0, 0];");
    it.table.suspend(id);
    expect([it.table.runnable, it.state(id)]).to.deep.equal([false, "suspended"]);
    it.table.resume(id);
    it.run();
    it.events();
    it.table.suspend(id);
    expect(it.table.reply(id, [1, 0, 0, 0, 0])).to.equal(true);
    expect(it.table.runnable).to.equal(false);
    it.table.resume(id);
    expect(it.table.runnable).to.equal(true);
    expect(it.table.resume(id), "what is not suspended").to.equal(false);
  });

  it("get an answer only to a call that was taken, once", async () => {
    const it = new Bench();
    const id = await it.spawn("const step = () => [256, 0, 0, 0, 0];");
    it.run();
    expect(it.table.reply(id, [1, 0, 0, 0, 0]), "not taken yet").to.equal(false);
    it.events();
    expect(it.table.reply(id, [1, 0, 0, 0, 0])).to.equal(true);
    expect(it.table.reply(id, [1, 0, 0, 0, 0]), "a second time").to.equal(false);
    expect(it.table.reply(63, [1, 0, 0, 0, 0]), "nobody").to.equal(false);
  });

  it("are served in turn, so that a busy one cannot hide another's event", async () => {
    const it = new Bench();
    const ids = [];
    for (let i = 0; i < 3; i++) ids.push(await it.spawn("const step = () => [256, 0, 0, 0, 0];"));
    const order: number[] = [];
    for (let i = 0; i < 9; i++) {
      it.run();
      const event = it.table.takeEvent();
      if (!event) throw new Error("no event");
      order.push(event.id);
      it.table.reply(event.id, [1, 0, 0, 0, 0]);
    }
    expect(order).to.deep.equal([...ids, ...ids, ...ids]);
  });

  it("are charged for their memory, refused beyond it, and give it back", async () => {
    const it = new Bench(4 * MEBIBYTE);
    const id = await it.spawn("const step = () => [256, 0, 0, 0, 0];", MEBIBYTE);
    const bytes = it.table.summary(id)?.bytes ?? 0;
    expect(bytes).to.equal(2 * MEBIBYTE + FRAME_BYTES);
    expect([it.table.used, it.table.live]).to.deep.equal([bytes, 1]);
    expect(it.refusal(MEBIBYTE)).to.equal("memory");
    expect(it.refusal(0)).to.equal(undefined);
    it.table.destroy(id);
    expect([it.table.used, it.refusal(MEBIBYTE)]).to.deep.equal([0, undefined]);
  });

  it("are at most 80", () => {
    const it = new Bench(1024 * MEBIBYTE);
    const frame = { u8: new Uint8Array(FRAME_BYTES), at: 0 };
    for (let id = 0; id < 80; id++) {
      expect(it.refusal(0)).to.equal(undefined);
      expect(it.table.spawn({ image: "test", source: "", arenaBytes: 0, args: [0, 0, 0, 0] }, frame)).to.equal(id);
    }
    expect(it.refusal(0)).to.equal("ids");
    it.table.destroy(17);
    expect(it.refusal(0)).to.equal(undefined);
    it.table.destroyAll();
    expect(it.table.used).to.equal(0);
  });

  it("that are destroyed while they start are never heard of", async () => {
    const it = new Bench();
    const frame = { u8: new Uint8Array(FRAME_BYTES), at: 0 };
    const spawn = { image: "test", source: "const step = () => [256, 0, 0, 0, 0];", arenaBytes: 0, args: [0, 0, 0, 0] };
    it.table.destroy(it.table.spawn(spawn, frame));
    await it.table.settled();
    it.run();
    expect([it.events().length, it.table.live, it.table.used]).to.deep.equal([0, 0, 0]);
    expect(it.changes).to.equal(1);
  });
});
