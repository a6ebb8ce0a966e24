import { crc32 as zlibCrc32 } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { crc32 } from "../../../scripts/lib/crc32.ts";

describe("crc32", () => {
  it("gives the check value of CRC-32/ISO-HDLC", () => {
    expect(crc32(Buffer.from("123456789"))).to.equal(0xcbf43926);
    expect(crc32(new Uint8Array(0))).to.equal(0);
  });

  it("agrees with zlib's", function () {
    if (typeof zlibCrc32 !== "function") this.skip();
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), (data) => crc32(data) === zlibCrc32(data)));
  });
});
