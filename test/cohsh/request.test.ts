import { expect } from "chai";
import { requestOf } from "../../cohsh/request.ts";
import type { Role } from "../../services/roles/roles.ts";

function keys() {
  const asked: (readonly [Role, string | undefined])[] = [];
  return {
    asked,
    find: (role: Role, subject: string | undefined) => {
      asked.push([role, subject]);
      return { credential: "CREDENTIAL" };
    },
  };
}

const FORM =
  "spawn takes the JSON of /queen/ctl, or heartbeat [ticks=N] [ttl_s=N] [ops=N] [budget_ticks=N] [priority=control|worker]";

describe("cohsh requests", () => {
  for (const [command, line] of [
    ["ping", "ping"],
    ["ls /", "ls /"],
    ["echo attach queen > /log/queen.log", "echo attach queen > /log/queen.log"],
    ["attach", "attach"],
    ["attach emperor", "attach emperor"],
    ["attach queen given", "attach queen given"],
    ["attach queen subject=", "attach queen subject="],
    ["attach queen subject=x more", "attach queen subject=x more"],
    ["attach queen", "attach queen CREDENTIAL"],
    ["LOGIN  Queen", "LOGIN Queen CREDENTIAL"],
    ["attach worker subject=worker-1", "attach worker CREDENTIAL"],
    ["spawn", "spawn"],
    ['spawn {"spawn":"heartbeat", "ticks":1}', 'spawn {"spawn":"heartbeat", "ticks":1}'],
    ["spawn heartbeat", 'spawn {"spawn":"heartbeat"}'],
    ["SPAWN Heartbeat ticks=3", 'spawn {"spawn":"heartbeat","ticks":3}'],
    [
      "spawn heartbeat priority=control budget_ticks=7 ops=6 ttl_s=5 ticks=4",
      'spawn {"spawn":"heartbeat","ticks":4,"budget":{"ticks":7,"ops":6,"ttl_s":5},"priority":"control"}',
    ],
    // Whether these are in range is the hive's to say.
    ["spawn heartbeat ticks=0 priority=system", 'spawn {"spawn":"heartbeat","ticks":0,"priority":"system"}'],
  ] as const) {
    it(`sends ${JSON.stringify(line)} for ${JSON.stringify(command)}`, () => {
      expect(requestOf(command, keys())).to.include({ kind: "send", line, follows: false });
    });
  }

  it("asks for a credential for whom the ticket shall be", () => {
    const asking = keys();
    expect(requestOf("attach worker subject=worker-1", asking)).to.include({ subject: "worker-1" });
    requestOf("login observer", asking);
    expect(asking.asked).to.deep.equal([
      ["worker-heartbeat", "worker-1"],
      ["observer", undefined],
    ]);
  });

  it("knows that tail -f goes on", () => {
    expect(requestOf("tail -f /log/queen.log", keys())).to.include({ follows: true });
    expect(requestOf("tail /log/queen.log -f", keys())).to.include({ follows: false });
  });

  for (const [command, why] of [
    ["spawn gpu", FORM],
    ["spawn heartbeat 3", FORM],
    ["spawn heartbeat constructor=1", FORM],
    ["spawn heartbeat ttl=1", FORM],
    ["spawn heartbeat ticks=-1", "ticks must be a whole number"],
    ["spawn heartbeat ttl_s=1.5", "ttl_s must be a whole number"],
    ["spawn heartbeat ops=99999999999999999", "ops must be a whole number"],
    ["spawn heartbeat ticks=1 ticks=2", "ticks stands there twice"],
  ] as const) {
    it(`sends nothing for ${JSON.stringify(command)}`, () => {
      expect(requestOf(command, keys())).to.deep.equal({ kind: "refused", word: "SPAWN", why });
    });
  }
});
