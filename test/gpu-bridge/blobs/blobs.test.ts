import { expect } from "chai";
import { BLOB_BYTES } from "../../../gpu-bridge/backend.ts";
import { Blobs, Held, InputBlob } from "../../../gpu-bridge/blobs/blobs.ts";
import { Memory } from "../../../gpu-bridge/blobs/memory.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe("an input blob", () => {
  it("is written at offsets, with zeros between", () => {
    const memory = new Memory(1 << 20);
    const blob = new InputBlob(memory);
    expect(blob.write(6, bytes(9, 7, 8, 9), 1, 2)).to.equal(undefined);
    expect(blob.write(0, bytes(1), 0, 1)).to.equal(undefined);
    expect([...blob.content]).to.deep.equal([1, 0, 0, 0, 0, 0, 7, 8]);
    expect(blob.write(BLOB_BYTES, bytes(1), 0, 0)).to.equal(undefined);
    expect(blob.length).to.equal(8);
  });

  it("that is cut shows nothing of what was cut off when it grows again", () => {
    const blob = new InputBlob(new Memory(1 << 20));
    blob.write(0, bytes(1, 2, 3), 0, 3);
    blob.resize(1);
    blob.resize(3);
    expect([...blob.content]).to.deep.equal([1, 0, 0]);
  });

  it("grows to its bound and no further, and is as it was then", () => {
    const memory = new Memory(4 * BLOB_BYTES);
    const blob = new InputBlob(memory);
    expect(blob.write(BLOB_BYTES - 1, bytes(5), 0, 1)).to.equal(undefined);
    expect(blob.write(BLOB_BYTES - 1, bytes(6, 7), 0, 2)?.name).to.equal("TooBig");
    expect(blob.resize(BLOB_BYTES + 1)?.name).to.equal("TooBig");
    expect([blob.length, blob.content[BLOB_BYTES - 1], memory.used]).to.deep.equal([BLOB_BYTES, 5, BLOB_BYTES]);
    blob.resize(0);
    expect(memory.used).to.equal(0);
  });

  it("is refused what memory has not, and keeps what it had", () => {
    const memory = new Memory(10_000);
    const blob = new InputBlob(memory);
    blob.write(0, bytes(1), 0, 1);
    expect(blob.write(9000, bytes(1), 0, 1)?.name).to.equal("Busy");
    expect([blob.length, memory.used, memory.refused]).to.deep.equal([1, 4096, 1]);
  });

  it("is not changed while a job reads it, nor freed before, even if its lease ends", () => {
    const memory = new Memory(1 << 20);
    const blob = new InputBlob(memory);
    blob.write(0, bytes(1), 0, 1);
    const { content } = blob;
    blob.hold();
    expect(blob.write(0, bytes(2), 0, 1)?.name).to.equal("Busy");
    expect(blob.resize(0)?.name).to.equal("Busy");
    blob.end();
    expect([content[0], memory.used]).to.deep.equal([1, 4096]);
    blob.release();
    expect(memory.used).to.equal(0);
  });
});

describe("a result", () => {
  it("is kept until the last who has it lets go", () => {
    const memory = new Memory(100);
    const blobs = new Blobs(memory);
    const [blob] = blobs.slots;
    memory.take(10);
    blob!.put(new Held(new Uint8Array(10), memory));
    const reader = blob!.out!.hold();
    memory.take(20);
    blob!.put(new Held(new Uint8Array(20), memory));
    expect(memory.used).to.equal(30);
    blobs.end();
    expect([memory.used, blob!.out]).to.deep.equal([10, undefined]);
    reader.release();
    expect(memory.used).to.equal(0);
  });
});
