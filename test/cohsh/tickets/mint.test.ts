import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { nodeBytes } from "../../../scripts/lib/node-bytes.ts";
import { createCredentials } from "../../../cohsh/tickets/credentials.ts";
import { mintTicket, parseTicketOptions, type TicketOptions } from "../../../cohsh/tickets/mint.ts";
import { ROLES } from "../../../services/roles/roles.ts";
import { TicketVerifier } from "../../../services/roles/verifier.ts";

const NOW = 1_800_000_000_000;
const credentials = createCredentials(randomBytes);

describe("minting tickets", () => {
  it("makes what the hive verifies, for every role", () => {
    const verifier = new TicketVerifier(nodeBytes, credentials.secrets);
    for (const role of ROLES) {
      const claims = parseTicketOptions({ role, subject: "somebody" }, NOW);
      const text = mintTicket(credentials, claims);
      expect(verifier.verify(text), role).to.deep.equal({ mac: text.slice(-64), claims });
    }
  });

  it("takes all that a ticket can say", () => {
    const options: TicketOptions = {
      role: "Worker",
      subject: "worker-1",
      ttl: "60",
      ops: "500",
      ticks: "0",
      mount: "log:/log",
      scopes: ["/proc:read", "/worker/self:both:7", "/odd:name:write:64"],
      bandwidth: "1048576",
      resumes: "4",
    };
    expect(parseTicketOptions(options, NOW)).to.deep.equal({
      role: "worker-heartbeat",
      ticks: 0,
      ops: 500,
      ttlS: 60,
      subject: "worker-1",
      issuedAtMs: NOW,
      mountService: "log",
      mountAt: "/log",
      scopes: [
        { path: "/proc", verb: "read", ratePerSecond: 0 },
        { path: "/worker/self", verb: "both", ratePerSecond: 7 },
        { path: "/odd:name", verb: "write", ratePerSecond: 64 },
      ],
      quotas: { bandwidthBytes: 1_048_576, cursorResumes: 4, cursorAdvances: 0 },
    });
  });

  const queen = { role: "queen" };
  const scopeForm = "The scope must be <path>:<read|write|both>[:<requests a second, at most 64>], not ";
  const cases: readonly (readonly [string, TicketOptions, string])[] = [
    [
      "an unknown role",
      { role: "root" },
      'The role must be one of queen, worker-heartbeat, worker-gpu, observer, service, not "root".',
    ],
    ["an empty subject", { role: "queen", subject: "" }, "The subject must not be empty."],
    ["a worker of no name", { role: "worker" }, "A ticket cannot say that: a worker-heartbeat must name its subject."],
    ["a negative ttl", { ...queen, ttl: "-1" }, 'The ttl must be a whole number from 0 to 9007199254740991, not "-1".'],
    ["a ttl in words", { ...queen, ttl: "1h" }, 'The ttl must be a whole number from 0 to 9007199254740991, not "1h".'],
    ["no number at all", { ...queen, ops: "" }, 'The ops must be a whole number from 0 to 9007199254740991, not "".'],
    [
      "2^53",
      { ...queen, ticks: "9007199254740992" },
      'The ticks must be a whole number from 0 to 9007199254740991, not "9007199254740992".',
    ],
    ["half a mount", { ...queen, mount: "log" }, 'The mount must be <service>:<path>, not "log".'],
    ["a mount of ..", { ...queen, mount: "log:/.." }, "A ticket cannot say that: the mount's path is none."],
    ["a scope without verb", { ...queen, scopes: ["/proc"] }, `${scopeForm}"/proc".`],
    ["a scope with another verb", { ...queen, scopes: ["/proc:append"] }, `${scopeForm}"/proc:append".`],
    ["a scope that is relative", { ...queen, scopes: ["proc:read"] }, `${scopeForm}"proc:read".`],
    ["a scope's rate of 65", { ...queen, scopes: ["/proc:read:65"] }, `${scopeForm}"/proc:read:65".`],
    [
      "9 scopes",
      { ...queen, scopes: new Array<string>(9).fill("/:read") },
      "A ticket cannot say that: more than 8 scopes.",
    ],
    [
      "a quota beyond 32 bits",
      { ...queen, resumes: "4294967296" },
      "A ticket cannot say that: a quota is out of range.",
    ],
    [
      "what makes no ticket",
      { ...queen, scopes: ["/some/long/path:read", "/another/long/path:read", "/third:read"] },
      "The ticket has 232 characters, and at most 224 are allowed.",
    ],
  ];
  for (const [what, options, sentence] of cases) {
    it(`refuses ${what} in one sentence`, () => {
      const mint = (): string => mintTicket(credentials, parseTicketOptions(options, NOW));
      expect(mint).to.throw(Error).with.property("message", sentence);
    });
  }

  it("needs the role's secret", () => {
    const poor = { ...credentials, secrets: {} };
    expect(() => mintTicket(poor, parseTicketOptions(queen, NOW))).to.throw(
      "The credentials hold no secret of the role queen.",
    );
  });

  it("shows what was typed on one short line", () => {
    const role = `a\nb${"x".repeat(500)}`;
    expect(() => parseTicketOptions({ role }, NOW)).to.throw(/^The role must be [^\n]{1,160}\.$/);
  });
});
