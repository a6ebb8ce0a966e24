import { expect } from "chai";
import { TicketVerifier } from "../../../services/roles/verifier.ts";
import { deriveKey, macOf, signTicket, TICKET_PREFIX, toHex } from "../../../services/roles/ticket.ts";
import type { Bytes } from "../../../services/ports/index.ts";
import { nodeBytes } from "../support/ports.ts";
import { claims } from "./support.ts";

const SECRETS = { queen: "of the queen", "worker-heartbeat": "worker", observer: "of the observer" };

/** Counts what derives a key: the only use of `encode` in a check. */
function counting(): { bytes: Bytes; encoded: () => number } {
  let encoded = 0;
  const bytes: Bytes = {
    ...nodeBytes,
    encode(text, into, at) {
      encoded++;
      return nodeBytes.encode(text, into, at);
    },
  };
  return { bytes, encoded: () => encoded };
}

const sign = (secret: string, subject: string): string =>
  signTicket(nodeBytes, deriveKey(nodeBytes, secret), claims({ subject }));

describe("TicketVerifier", () => {
  it("takes what was signed with the role's secret, and names it by its code", () => {
    const text = sign(SECRETS.queen, "anna");
    const ticket = new TicketVerifier(nodeBytes, SECRETS).verify(text);
    expect(ticket).to.deep.equal({ mac: text.slice(-64), claims: claims({ subject: "anna" }) });
  });

  it("refuses another role's secret, and roles that have none", () => {
    const verifier = new TicketVerifier(nodeBytes, SECRETS);
    expect(verifier.verify(sign(SECRETS.observer, "anna"))).to.equal(undefined);
    const service = claims({ role: "service", subject: "gpu-bridge" });
    expect(verifier.verify(signTicket(nodeBytes, deriveKey(nodeBytes, ""), service))).to.equal(undefined);
    expect(verifier.counters).to.include({ refused: 2, verified: 0 });
  });

  it("refuses a ticket with any one character changed, all the same way", () => {
    const verifier = new TicketVerifier(nodeBytes, SECRETS);
    const text = sign(SECRETS.queen, "anna");
    // Also once the right one is in the cache.
    for (const cached of [false, true]) {
      if (cached) expect(verifier.verify(text)).to.not.equal(undefined);
      for (let i = 0; i < text.length; i++) {
        const other = text[i] === "0" ? "1" : "0";
        expect(verifier.verify(text.slice(0, i) + other + text.slice(i + 1)), `character ${i}`).to.equal(undefined);
      }
    }
    expect(verifier.counters.refused).to.equal(2 * text.length);
  });

  it("refuses another payload under a code that it knows", () => {
    const verifier = new TicketVerifier(nodeBytes, SECRETS);
    const known = sign(SECRETS.queen, "anna");
    expect(verifier.verify(known)).to.not.equal(undefined);
    for (const other of [sign(SECRETS.queen, "bert"), sign(SECRETS.queen, "ann")]) {
      expect(verifier.verify(other.slice(0, -64) + known.slice(-64))).to.equal(undefined);
    }
    expect(verifier.verify(known)?.claims.subject).to.equal("anna");
  });

  it("refuses signed payloads that are none, and counts them", () => {
    const verifier = new TicketVerifier(nodeBytes, SECRETS);
    const payload = Uint8Array.of(1, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    const mac = macOf(deriveKey(nodeBytes, SECRETS.queen), payload);
    expect(verifier.verify(`${TICKET_PREFIX}${toHex(payload)}.${toHex(mac)}`)).to.equal(undefined);
    expect(verifier.counters).to.include({ unreadable: 1, refused: 1 });
  });

  it("derives each role's key once", () => {
    const { bytes, encoded } = counting();
    const verifier = new TicketVerifier(bytes, SECRETS);
    for (let i = 0; i < 5; i++) verifier.verify(sign(SECRETS.queen, `anna-${i}`));
    for (let i = 0; i < 5; i++) verifier.verify(sign("wrong", `anna-${i}`));
    expect(encoded()).to.equal(1);
    expect(verifier.keyOf("queen")).to.equal(verifier.keyOf("queen"));
    expect(verifier.keyOf("service")).to.equal(undefined);
  });

  it("keeps as many verified tickets as it may, and forgets the least recently used", () => {
    const verifier = new TicketVerifier(nodeBytes, SECRETS, undefined, 3);
    const texts = [0, 1, 2, 3].map((n) => sign(SECRETS.queen, `anna-${n}`));
    for (const text of texts.slice(0, 3)) verifier.verify(text);
    verifier.verify(texts[0]!);
    expect(verifier.counters).to.deep.equal({ verified: 3, cached: 1, refused: 0, unreadable: 0, evicted: 0 });
    verifier.verify(texts[3]!);
    verifier.verify(texts[0]!);
    expect(verifier.counters).to.include({ verified: 4, cached: 2, evicted: 1 });
    verifier.verify(texts[1]!);
    expect(verifier.counters).to.include({ verified: 5, cached: 2, evicted: 2 });
  });

  it("does not let refused texts into the cache", () => {
    const verifier = new TicketVerifier(nodeBytes, SECRETS, undefined, 1);
    const right = sign(SECRETS.queen, "anna");
    verifier.verify(right);
    for (let i = 0; i < 10; i++) verifier.verify(sign("wrong", `anna-${i}`));
    verifier.verify(right);
    expect(verifier.counters).to.include({ verified: 1, cached: 1, refused: 10, evicted: 0 });
  });
});
