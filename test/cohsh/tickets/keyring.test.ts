import { expect } from "chai";
import { createCredentials } from "../../../cohsh/tickets/credentials.ts";
import { Keyring } from "../../../cohsh/tickets/keyring.ts";
import { nodeBytes } from "../../../cohsh/bytes.ts";
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
      ...{ role: "worker-heartbeat", subject: "worker-1", issuedAtMs: NOW, ttlS: undefined },
    });
    expect(claimsOf(keyring().find("observer", undefined))).to.include({ role: "observer", subject: "" });
    expect(claimsOf(keyring().find("queen", "ann"))).to.include({ role: "queen", subject: "ann" });
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
