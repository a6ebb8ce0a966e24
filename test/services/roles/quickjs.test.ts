import { join } from "node:path";
import { expect } from "chai";
import { build } from "esbuild";
import { getQuickJS } from "quickjs-emscripten";

/** Signs, checks and decides with nothing but what QuickJS itself has. */
const ENTRY = `
import { decide } from "./policy.ts";
import { deriveKey, signTicket } from "./ticket.ts";
import { TicketVerifier } from "./verifier.ts";
const bytes = {
  encode(text, into, at) {
    for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i);
    return text.length;
  },
  decode: (from, start, length) => String.fromCharCode(...from.subarray(start, start + length)),
  validate: () => true,
};
const claims = {
  role: "worker-heartbeat", ticks: undefined, ops: undefined, ttlS: undefined, subject: "worker-1",
  issuedAtMs: 0, mountService: "", mountAt: "", scopes: [], quotas: undefined,
};
const text = signTicket(bytes, deriveKey(bytes, "worker"), claims);
const verified = new TicketVerifier(bytes, { "worker-heartbeat": "worker" }).verify(text);
const who = { role: verified.claims.role, subject: verified.claims.subject };
const leases = { isLessee: () => false };
const ask = (operation, ...names) => decide(who, operation, names, leases);
globalThis.answers = JSON.stringify([
  text,
  ask("append", "worker", "self", "telemetry"),
  ask("append", "worker", "worker-2", "telemetry"),
  ask("append", "queen", "ctl"),
]);
`;

describe("roles in QuickJS", () => {
  it("sign, check and decide as in Node", async () => {
    const bundle = await build({
      stdin: { contents: ENTRY, resolveDir: join(import.meta.dirname, "../../../services/roles") },
      bundle: true,
      write: false,
      format: "iife",
      platform: "neutral",
      target: "es2022",
    });
    const context = (await getQuickJS()).newContext();
    try {
      context.unwrapResult(context.evalCode(bundle.outputFiles[0]!.text)).dispose();
      const answers = context.getProp(context.global, "answers").consume((handle) => context.getString(handle));
      expect(JSON.parse(answers)).to.deep.equal([
        "cohesix-ticket-0101080800776f726b65722d31000000000000000000000000" +
          ".ea7bee86230e67031e6e758fa01c00eaa9c1f0bfff4b41548424a3df0356cff9",
        "granted",
        "another-worker",
        "not-granted",
      ]);
    } finally {
      context.dispose();
    }
  }).timeout(20_000);
});
