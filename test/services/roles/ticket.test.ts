import { blake3 } from "@noble/hashes/blake3.js";
import { expect } from "chai";
import fc from "fast-check";
import { ROLES } from "../../../services/roles/roles.ts";
import { SCOPE_VERBS } from "../../../services/roles/scope.ts";
import {
  type Claims,
  decodePayload,
  deriveKey,
  encodePayload,
  equalBytes,
  signTicket,
  splitTicket,
  toHex,
} from "../../../services/roles/ticket.ts";
import { nodeBytes, utf8 } from "../support/ports.ts";
import { claims } from "./support.ts";

const VECTOR =
  "cohesix-ticket-0101080800776f726b65722d31000000000000000000000000" +
  ".ea7bee86230e67031e6e758fa01c00eaa9c1f0bfff4b41548424a3df0356cff9";
const WORKER_1 = claims({ role: "worker-heartbeat", subject: "worker-1" });
const KEY = deriveKey(nodeBytes, "worker");

/** All fields, each with a value of its own, so that two exchanged ones show. */
const FULL: Claims = {
  role: "worker-gpu",
  ticks: 0x0102030405,
  ops: 0x1112,
  ttlS: 0x2122,
  subject: "w-7",
  issuedAtMs: 0x01_9abc_def0_12,
  mountService: "log",
  mountAt: "/m",
  scopes: [
    { path: "/a", verb: "write", ratePerSecond: 3 },
    { path: "/b/c", verb: "both", ratePerSecond: 64 },
  ],
  quotas: { bandwidthBytes: 0x3132333435, cursorResumes: 0x41424344, cursorAdvances: 0x51525354 },
};
const FULL_HEX =
  "01023f" +
  "0504030201000000" +
  "1211000000000000" +
  "2221000000000000" +
  "0300772d37" +
  "12f0debc9a010000" +
  "03006c6f67" +
  "02002f6d" +
  "02" +
  "02002f61" +
  "01" +
  "03000000" +
  "04002f622f63" +
  "02" +
  "40000000" +
  "3534333231000000" +
  "44434241" +
  "54535251";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const refusal = (payload: Uint8Array): string => {
  const decoded = decodePayload(nodeBytes, payload);
  return decoded.kind === "refused" ? decoded.why : "";
};

const name = fc.stringMatching(/^[a-z0-9-]{1,6}$/);
const path = fc.array(name, { maxLength: 3 }).map((names) => `/${names.join("/")}`);
const count = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, Number.MAX_SAFE_INTEGER));
const perhaps = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const anyClaims: fc.Arbitrary<Claims> = fc
  .record({
    role: fc.constantFrom(...ROLES),
    ticks: perhaps(count),
    ops: perhaps(count),
    ttlS: perhaps(count),
    subject: fc.stringMatching(/^[a-zé-]{1,12}$/),
    issuedAtMs: count,
    mount: fc.oneof(fc.constant(["", ""] as const), fc.tuple(name, path)),
    scopes: fc.array(
      fc.record({ path, verb: fc.constantFrom(...SCOPE_VERBS), ratePerSecond: fc.integer({ min: 0, max: 64 }) }),
      { maxLength: 8 },
    ),
    quotas: perhaps(fc.record({ bandwidthBytes: count, cursorResumes: u32, cursorAdvances: u32 })),
  })
  .map(({ mount: [mountService, mountAt], ...rest }) => ({ ...rest, mountService, mountAt }));

describe("tickets", () => {
  it("have the text of the interface's vector", () => {
    expect(signTicket(nodeBytes, KEY, WORKER_1)).to.equal(VECTOR);
    expect(decodePayload(nodeBytes, splitTicket(VECTOR)!.payload)).to.deep.equal({ kind: "claims", claims: WORKER_1 });
  });

  it("are keyed with the hash of the secret's UTF-8", () => {
    expect(toHex(deriveKey(nodeBytes, "schlüssel🔑"))).to.equal(toHex(blake3(utf8("schlüssel🔑"))));
    // BLAKE3's own vector for the empty input.
    expect(toHex(deriveKey(nodeBytes, ""))).to.equal(
      "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    );
  });

  it("put every field where the interface says", () => {
    expect(toHex(encodePayload(nodeBytes, FULL))).to.equal(FULL_HEX);
    expect(decodePayload(nodeBytes, hex(FULL_HEX))).to.deep.equal({ kind: "claims", claims: FULL });
  });

  it("survive encoding and decoding whatever they claim", () => {
    fc.assert(
      fc.property(anyClaims, (any) => {
        expect(decodePayload(nodeBytes, encodePayload(nodeBytes, any))).to.deep.equal({ kind: "claims", claims: any });
      }),
    );
  });

  it("refuse every payload that is cut short, and every one that goes on", () => {
    const whole = hex(FULL_HEX);
    for (let length = 0; length < whole.length; length++) {
      expect(refusal(whole.subarray(0, length)), `${length} bytes`).to.equal("it ends too early");
    }
    expect(refusal(hex(`${FULL_HEX}00`))).to.equal("1 bytes follow the payload");
  });

  const plain = (flags: string, fields: string): string => `0100${flags}${fields}`;
  const rest = "0000000000000000" + "0000" + "0000";
  const cases: readonly (readonly [string, string, string])[] = [
    ["another version", "020000" + rest, "version 2 is not 1"],
    ["a reserved role", "010300" + rest, "role 3 is not known"],
    ["an unknown role", "01ff00" + rest, "role 255 is not known"],
    ["an unknown flag", plain("40", rest), "flags 64 are not all known"],
    ["all flags", plain("ff", rest), "flags 255 are not all known"],
    ["a number of 2^53", plain("01", "0000000000002000" + rest), "a number is above 2^53-1"],
    ["the largest number", plain("04", "ffffffffffffffff" + rest), "a number is above 2^53-1"],
    ["a string of 256 bytes", plain("08", "0001" + "61".repeat(256) + rest), "a string is longer than 255 bytes"],
    ["a string beyond the end", plain("08", "ff00" + rest), "it ends too early"],
    ["a subject of 33 bytes", plain("08", "2100" + "61".repeat(33) + rest), "the subject is longer than 32 bytes"],
    ["an empty subject", plain("08", "0000" + rest), "the subject is empty"],
    ["a subject that is not UTF-8", plain("08", "0200c328" + rest), "a string is not UTF-8"],
    ["a surrogate", plain("08", "0300eda080" + rest), "a string is not UTF-8"],
    ["a newline", plain("08", "0300610a62" + rest), "the subject has blanks or control characters"],
    ["a blank", plain("08", "0300612062" + rest), "the subject has blanks or control characters"],
    ["a worker of no name", "010100" + rest, "a worker-heartbeat must name its subject"],
    ["a service of no name", "011100" + rest, "a service must name its subject"],
    ["half a mount", plain("00", "0000000000000000" + "010061" + "0000"), "a mount has a service and a path"],
    ["a relative mount", plain("00", "0000000000000000" + "010061" + "010062"), "the mount's path is none"],
    ["a service with a /", plain("00", "0000000000000000" + "01002f" + "01002f"), "the mount's service is no name"],
    ["no scopes", plain("10", rest + "00"), "no scope follows"],
    ["9 scopes", plain("10", rest + "09" + ("01002f" + "00" + "00000000").repeat(9)), "more than 8 scopes"],
    ["a scope's verb 3", plain("10", rest + "01" + "01002f" + "03" + "00000000"), "a scope's verb is not known"],
    ["a rate of 65", plain("10", rest + "01" + "01002f" + "00" + "41000000"), "a scope's rate is above 64"],
    ["a scope beyond ..", plain("10", rest + "01" + "04002f2e2e2f" + "00" + "00000000"), "a scope's path is none"],
    ["a quota of 2^53", plain("20", rest + "0000000000002000" + "0000000000000000"), "a number is above 2^53-1"],
  ];
  for (const [what, payload, why] of cases) {
    it(`refuse ${what}`, () => {
      expect(refusal(hex(payload))).to.equal(why);
    });
  }

  it("are never minted with what would be refused", () => {
    const mint = (changes: Partial<Claims>) => () => signTicket(nodeBytes, KEY, claims(changes));
    expect(mint({ role: "service" })).to.throw("A ticket cannot say that: a service must name its subject.");
    expect(mint({ subject: "a b" })).to.throw("blanks or control characters");
    expect(mint({ ttlS: -1 })).to.throw("not a whole one");
    expect(mint({ ops: 1.5 })).to.throw("not a whole one");
    expect(mint({ ticks: 2 ** 53 })).to.throw("not a whole one");
    expect(mint({ subject: "\ud800" })).to.throw("blanks or control characters");
    expect(mint({ subject: "é".repeat(17) })).to.throw("longer than 32 bytes");
    expect(mint({ mountService: "x" })).to.throw("a mount has a service and a path");
    const quotas = { bandwidthBytes: 0, cursorResumes: 2 ** 32, cursorAdvances: 0 };
    expect(mint({ quotas })).to.throw("a quota is out of range");
    const scope = { path: "/a", verb: "read", ratePerSecond: 0 } as const;
    expect(mint({ scopes: Array.from({ length: 9 }, () => scope) })).to.throw("more than 8 scopes");
    expect(mint({ scopes: [{ ...scope, ratePerSecond: 65 }] })).to.throw("rate is above 64");
  });

  it("have at most 224 characters", () => {
    const mint = (path: string): string =>
      signTicket(
        nodeBytes,
        KEY,
        claims({ subject: "s".repeat(32), scopes: [{ path, verb: "read", ratePerSecond: 0 }] }),
      );
    const longest = mint("/proc/net/12345");
    expect(longest.length).to.equal(224);
    expect(splitTicket(longest)).to.not.equal(undefined);
    expect(() => mint("/proc/net/123456")).to.throw("The ticket has 226 characters, and at most 224 are allowed.");
    const generous = { ticket: 300, subject: 32 };
    const longer = signTicket(nodeBytes, KEY, claims({ mountService: "log", mountAt: `/${"a".repeat(80)}` }), generous);
    expect(splitTicket(longer, generous)).to.not.equal(undefined);
    expect(splitTicket(longer)).to.equal(undefined);
  });

  it("have one text each", () => {
    expect(splitTicket(VECTOR)).to.not.equal(undefined);
    const changed: string[] = [
      "",
      "cohesix-ticket-",
      VECTOR.toUpperCase(),
      VECTOR.replace("ea7b", "EA7B"),
      VECTOR.replace("ticket-01", "ticket-0x"),
      VECTOR.replace("ticket-01", "ticket-1"),
      VECTOR.replace(".", ":"),
      VECTOR.replace(".", ""),
      VECTOR.replace(".", ".."),
      ` ${VECTOR}`,
      `${VECTOR} `,
      `${VECTOR}00`,
      VECTOR.slice(0, -2),
      VECTOR.replace(/-[0-9a-f]+\./, `-${"0".repeat(146)}.`),
    ];
    for (const text of changed) expect(splitTicket(text), text).to.equal(undefined);
  });

  it("take any bytes without throwing, and only the one payload of the claims they find", () => {
    const whole = hex(FULL_HEX);
    const mutated = fc
      .array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
      .map((changes) => {
        const payload = whole.slice();
        for (const [at, value] of changes) payload[at] = value;
        return payload;
      });
    const headed = fc
      .tuple(fc.constantFrom(0, 1, 2, 16, 17), fc.nat(63), fc.uint8Array({ maxLength: 72 }))
      .map(([role, flags, tail]) => Uint8Array.of(1, role, flags, ...tail));
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof(mutated, headed, fc.uint8Array({ maxLength: 100 })), (payload) => {
        const decoded = decodePayload(nodeBytes, payload);
        if (decoded.kind === "refused") {
          expect(decoded.why).to.not.equal("");
          return;
        }
        taken++;
        expect(toHex(encodePayload(nodeBytes, decoded.claims))).to.equal(toHex(payload));
      }),
      { numRuns: 20_000 },
    );
    expect(taken, "some are taken, or nothing was tried").to.be.greaterThan(50);
  }).timeout(20_000);

  it("take any text apart without throwing", () => {
    const text = fc.oneof(
      fc.string(),
      fc.string().map((tail) => `cohesix-ticket-${tail}`),
    );
    fc.assert(
      fc.property(text, (any) => splitTicket(any) === undefined),
      { numRuns: 2000 },
    );
  });

  it("compare whole codes, whichever byte differs", () => {
    const mac = splitTicket(VECTOR)!.mac;
    expect(equalBytes(mac, mac.slice())).to.equal(true);
    for (let i = 0; i < mac.length; i++) {
      for (let bit = 0; bit < 8; bit++) {
        const other = mac.slice();
        other[i]! ^= 1 << bit;
        expect(equalBytes(mac, other)).to.equal(false);
      }
    }
    expect(equalBytes(mac, mac.subarray(1))).to.equal(false);
    expect(equalBytes(mac.subarray(0, 31), mac)).to.equal(false);
    expect(equalBytes(new Uint8Array(), mac)).to.equal(false);
  });
});
