import { expect } from "chai";
import { createCredentials } from "../../../cohsh/tickets/credentials.ts";
import { Keyring } from "../../../cohsh/tickets/keyring.ts";
import { nodeBytes } from "../../../scripts/lib/node-bytes.ts";
import { Ledger } from "../../../services/roles/ledger.ts";
import { decodePayload, splitTicket } from "../../../services/roles/ticket.ts";

const made = createCredentials((length) => new Uint8Array(length).fill(7));
const NOW = 1_700_000_000_000;

function keyring(options: Partial<ConstructorParameters<typeof Keyring>[0]> = {}): Keyring {
  return new Keyring({ credentials: () => made, nowMs: () => NOW, ...options });
}

function claimsOf(found: ReturnType<Keyring["find"]>) {
  if (!("credential" in found)) throw new Error(found.missing);
  const parts = splitTicket(found.credential);
  if (parts === undefined) throw new Error("no ticket");
  const decoded = decodePayload(nodeBytes, parts.payload);
  if (decoded.kind !== "claims") throw new Error(decoded.why);
  return decoded.claims;
}

describe("cohsh keyring", () => {
  it("takes the file's ticket of the role, else the operator's token for the Queen", () => {
    expect(keyring().find("queen", undefined)).to.deep.equal({ credential: made.tickets.queen });
    const none = { ...made, tickets: {} };
    expect(keyring({ credentials: () => none }).find("queen", undefined)).to.deep.equal({ credential: made.token });
  });

  it("takes what the environment says before the file, which it then does not read", () => {
    const credentials = (): never => {
      throw new Error("it was read");
    };
    const ticket = made.tickets.queen ?? "";
    expect(keyring({ credentials, ticket, token: "t" }).find("queen", undefined)).to.deep.equal({ credential: ticket });
    expect(keyring({ credentials, token: "t" }).find("queen", undefined)).to.deep.equal({ credential: "t" });
  });

  it("takes the token for what opens a connection, and where a ticket is needed for nothing else", () => {
    expect(keyring().token()).to.deep.equal({ credential: made.token });
    expect(keyring({ token: "t" }).token()).to.deep.equal({ credential: "t" });
    const missing = (): never => {
      throw new Error("The file is not there.");
    };
    expect(keyring({ credentials: missing }).token()).to.deep.equal({ missing: "The file is not there." });
    const none = { ...made, tickets: {} };
    const minted = keyring({ credentials: () => none, token: "t", tokenIsQueen: false }).find("queen", undefined);
    expect(claimsOf(minted).role).to.equal("queen");
  });

  it("takes a ticket of the environment for its own role alone", () => {
    const ticket = made.tickets.queen ?? "";
    expect(claimsOf(keyring({ ticket }).find("observer", undefined))).to.include({ role: "observer" });
  });

  it("mints a ticket for a subject, and one for a role that needs none", () => {
    expect(claimsOf(keyring().find("worker-heartbeat", "worker-1"))).to.include({
      ...{ role: "worker-heartbeat", subject: "worker-1", issuedAtMs: NOW, ttlS: 300 },
    });
    expect(claimsOf(keyring().find("observer", undefined))).to.include({ role: "observer", subject: "" });
    expect(claimsOf(keyring().find("queen", "ann"))).to.include({ role: "queen", subject: "ann" });
  });

  it("shows the same ticket again, until half of its day is over or a hive refuses it", () => {
    let nowMs = NOW + 1234;
    const keys = keyring({ nowMs: () => nowMs });
    const first = keys.find("observer", undefined);
    // Whole seconds, as a hive's clock tells them: in its future the time would count from the first use.
    expect(claimsOf(first)).to.include({ issuedAtMs: NOW + 1000, ttlS: 86_400 });
    expect(claimsOf(keys.find("worker-gpu", "worker-1"))).to.include({ issuedAtMs: NOW + 1234, ttlS: 120 });
    nowMs += 86_400 * 500 - 1;
    expect(keys.find("observer", undefined)).to.deep.equal(first);
    nowMs += 1;
    const second = keys.find("observer", undefined);
    expect(second).to.not.deep.equal(first);
    expect(keys.find("observer", "ann")).to.not.deep.equal(second);
    nowMs += 1000;
    expect(keys.find("observer", undefined)).to.deep.equal(second);
    keys.renew();
    expect(keys.find("observer", undefined)).to.not.deep.equal(second);
  });

  it("keeps a bounded number of tickets", () => {
    let nowMs = NOW;
    const keys = keyring({ nowMs: () => nowMs });
    const oldest = keys.find("observer", "0");
    for (let n = 1; n < 64; n++) keys.find("observer", String(n));
    nowMs += 1000;
    expect(keys.find("observer", "0")).to.deep.equal(oldest);
    keys.find("observer", "64");
    expect(keys.find("observer", "0")).to.not.deep.equal(oldest);
  });

  it("makes tickets whose places a full ledger gets back", () => {
    let nowMs = NOW + 500;
    const ledger = new Ledger({ workers: { find: () => undefined }, capacity: 1 });
    // The hive's clock is behind by the part of the second.
    const admit = (credential: string) => {
      const parts = splitTicket(credential);
      if (parts === undefined) throw new Error("no ticket");
      const ticket = { claims: claimsOf({ credential }), mac: Buffer.from(parts.mac).toString("hex") };
      return ledger.admit(ticket, "observer", (nowMs - NOW) * 1000 + 1e12, Math.floor(nowMs / 1000) * 1000).kind;
    };
    const login = () => {
      const found = keyring({ nowMs: () => nowMs }).find("observer", undefined);
      return admit("credential" in found ? found.credential : "");
    };
    expect(login()).to.equal("admitted");
    nowMs += 1000;
    expect(login()).to.equal("refused");
    nowMs += 86_400_000;
    expect(login()).to.equal("admitted");
  });

  it("knows its credentials in a text", () => {
    const keys = keyring({ token: "t0ken" });
    for (const known of ["t0ken", made.token, made.tickets.queen, made.secrets.observer]) {
      expect(keys.holds(`echo ${known} > /log/queen.log`)).to.equal(true);
    }
    expect(keys.holds("echo token > /log/queen.log")).to.equal(false);
    const lost = keyring({
      token: "t0ken",
      credentials: () => {
        throw new Error("The credentials file /x is not there.");
      },
    });
    expect([lost.holds("t0ken"), lost.holds("ping")]).to.deep.equal([true, false]);
  });

  it("says in one sentence why there is none, and no secret in it", () => {
    expect(keyring().find("worker-gpu", undefined)).to.deep.equal({
      missing: "a ticket of worker-gpu must name whom it is for: attach worker-gpu subject=<name>.",
    });
    expect(keyring({ credentials: () => ({ ...made, secrets: {} }) }).find("observer", undefined)).to.deep.equal({
      missing: "The credentials hold no secret of the role observer.",
    });
    const lost = keyring({
      credentials: () => {
        throw new Error("The credentials file /x is not there.");
      },
    });
    expect(lost.find("queen", undefined)).to.deep.equal({ missing: "The credentials file /x is not there." });
    expect(keyring().find("queen", "x".repeat(300)))
      .to.have.property("missing")
      .that.matches(/\S/);
  });
});
