import { expect } from "chai";
import type { Random } from "../../../services/ports/index.ts";
import { DEFAULT_BUDGETS } from "../../../services/roles/budget.ts";
import { Ledger } from "../../../services/roles/ledger.ts";
import { TicketVerifier } from "../../../services/roles/verifier.ts";
import { mintForWorker } from "../../../services/roles/worker-ticket.ts";
import { nodeBytes } from "../support/ports.ts";

const NOW_MS = 1_800_000_000_000;
const verifier = new TicketVerifier(nodeBytes, { "worker-heartbeat": "worker" });
const drawing = (byte: number): Random => ({
  ready: true,
  fill(into) {
    into.fill(byte);
    return true;
  },
});
const dry: Random = { ready: false, fill: () => false };
const mint = (random: Random, unixMs: number | undefined) =>
  mintForWorker(nodeBytes, verifier, random, "worker-heartbeat", "worker-1", unixMs);

describe("a worker's ticket", () => {
  it("verifies as what was entered in the ledger", () => {
    const minted = mint(drawing(255), NOW_MS)!;
    expect(minted.text.length).to.be.at.most(224);
    expect(verifier.verify(minted.text)).to.deep.equal(minted.ticket);
    expect(minted.ticket.claims.issuedAtMs).to.equal(2 ** 52 + 2 ** 48 - 1);
  });

  it("is another one in every boot", () => {
    const texts = [mint(drawing(1), NOW_MS), mint(drawing(2), NOW_MS), mint(dry, NOW_MS), mint(dry, NOW_MS + 1)].map(
      (minted) => minted?.text,
    );
    expect(new Set(texts).size).to.equal(4);
  });

  it("is worth nothing in the next boot, though a worker of the same name lives", () => {
    const workers = { find: () => ({ role: "worker-heartbeat", spawnedAtMs: NOW_MS + 60_000 }) as const };
    for (const random of [drawing(1), dry]) {
      const minted = mint(random, NOW_MS)!;
      const first = new Ledger({ workers });
      first.issue(minted.ticket, DEFAULT_BUDGETS["worker-heartbeat"], 0);
      expect(first.admit(minted.ticket, "worker-heartbeat", 0, NOW_MS).kind).to.equal("admitted");
      const next = new Ledger({ workers });
      expect(next.admit(minted.ticket, "worker-heartbeat", 0, NOW_MS + 90_000)).to.include({ tag: "denied" });
    }
  });

  it("is not minted where nothing makes it this boot's own, or the role has no secret", () => {
    expect(mint(dry, undefined)).to.equal(undefined);
    expect(mintForWorker(nodeBytes, verifier, drawing(1), "worker-gpu", "worker-1", NOW_MS)).to.equal(undefined);
  });
});
