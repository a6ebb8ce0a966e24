import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { nodeBytes } from "../../../scripts/lib/node-bytes.ts";
import { createCredentials, formatCredentials, readCredentials } from "../../../cohsh/tickets/credentials.ts";
import { ROLES } from "../../../services/roles/roles.ts";
import { TicketVerifier } from "../../../services/roles/verifier.ts";

const SECRET = "ab".repeat(32);
const TICKET = `cohesix-ticket-0100.${"0".repeat(64)}`;

describe("credentials.json", () => {
  it("holds a token, a secret for each role and a Queen's ticket, all drawn anew", () => {
    let drawn = 0;
    const made = createCredentials((length) => {
      drawn++;
      return randomBytes(length);
    });
    expect(drawn).to.equal(1 + ROLES.length);
    expect(Object.keys(made.secrets)).to.have.members([...ROLES]);
    const all = [made.token, ...Object.values(made.secrets)];
    expect(new Set(all).size).to.equal(all.length);
    for (const text of all) expect(text).to.match(/^[0-9a-f]{64}$/);
    const ticket = new TicketVerifier(nodeBytes, made.secrets).verify(made.tickets.queen ?? "");
    expect(ticket?.claims).to.include({ role: "queen", issuedAtMs: 0, ttlS: undefined });
  });

  it("is read as it was written", () => {
    const made = createCredentials(randomBytes);
    expect(readCredentials(formatCredentials(made))).to.deep.equal(made);
  });

  it("may hold fewer secrets, for whoever may not mint for every role", () => {
    const some = { token: "t", tickets: {}, secrets: { observer: SECRET } };
    expect(readCredentials(JSON.stringify(some))).to.deep.equal(some);
  });

  const good = { token: "t", tickets: { queen: TICKET }, secrets: { queen: SECRET } };
  const cases: readonly (readonly [string, unknown, string])[] = [
    ["a list", [], "credentials.json: / must be an object."],
    ["nothing", null, "credentials.json: / must be an object."],
    ["no token", { ...good, token: undefined }, "/token must be a text of 1 to 255 visible ASCII characters."],
    ["an empty token", { ...good, token: "" }, "/token must be a text of 1 to 255 visible ASCII characters."],
    ["a token of two words", { ...good, token: "a b" }, "/token must be a text of 1 to 255 visible ASCII characters."],
    ["another field", { ...good, tokens: 1 }, "/ has a field that is none of token, tickets, secrets."],
    ["no secrets", { token: "t", tickets: {} }, "/secrets must be an object."],
    [
      "an unknown role",
      { ...good, secrets: { root: SECRET } },
      "/secrets has a field that is none of queen, worker-heartbeat, worker-gpu, observer, service.",
    ],
    [
      "a short secret",
      { ...good, secrets: { queen: "ab" } },
      "/secrets/queen must be 64 lowercase hexadecimal digits.",
    ],
    ["a number", { ...good, secrets: { queen: 1 } }, "/secrets/queen must be 64 lowercase hexadecimal digits."],
    ["no ticket", { ...good, tickets: { queen: "x" } }, "/tickets/queen must be a ticket."],
  ];
  for (const [what, value, sentence] of cases) {
    it(`refuses ${what}`, () => {
      expect(() => readCredentials(JSON.stringify(value))).to.throw(sentence);
    });
  }

  it("shows nothing of a damaged file", () => {
    for (const swapped of [{ hunter2: "token" }, { ...good, secrets: { [SECRET]: "queen" } }]) {
      expect(() => readCredentials(JSON.stringify(swapped)))
        .to.throw(/has a field that is none of/)
        .with.property("message")
        .that.does.not.match(/hunter2|[0-9a-f]{64}/);
    }
    expect(() => readCredentials('{"token":"hunter2')).to.throw(/^credentials\.json: \/ is no JSON\.$/);
  });
});
