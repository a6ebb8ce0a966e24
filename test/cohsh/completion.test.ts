import { expect } from "chai";
import { complete } from "../../cohsh/completion.ts";
import { remembering } from "../../cohsh/remote-names.ts";

const TREE: Readonly<Record<string, readonly string[]>> = {
  "/": ["log", "proc", "queen", "worker"],
  "/log": ["boot.log", "queen.log", "queen.log.follow"],
  "/queen": ["ctl"],
  "/worker": ["worker-1", "worker-2"],
  "/worker/worker-1": ["ctl", "telemetry"],
};

const list = (directory: string): Promise<readonly string[] | undefined> => Promise.resolve(TREE[directory]);

describe("cohsh completion", () => {
  for (const [line, candidates, word] of [
    ["pi", ["ping "], "pi"],
    ["PI", ["ping "], "PI"],
    ["  at", ["attach "], "at"],
    ["l", ["ls ", "log ", "login "], "l"],
    ["zz", [], "zz"],
    ["attach ", ["queen ", "worker-heartbeat ", "worker-gpu ", "observer ", "service "], ""],
    ["login wor", ["worker-heartbeat ", "worker-gpu "], "wor"],
    ["attach queen ", [], ""],
    ["attach worker ", ["subject="], ""],
    ["attach worker subject=", ["subject=worker-1 ", "subject=worker-2 "], "subject="],
    ["attach service subject=g", ["subject=gpu-bridge "], "subject=g"],
    ["tail ", ["/"], ""],
    ["tail -f /lo", ["/log/"], "/lo"],
    ["tail /log/boot.log ", [], ""],
    ["cat /log/", ["/log/boot.log", "/log/queen.log", "/log/queen.log.follow"], "/log/"],
    ["cat /log/b", ["/log/boot.log "], "/log/b"],
    ["cat /queen", ["/queen/"], "/queen"],
    ["cat /none/x", [], "/none/x"],
    ["cat relative", [], "relative"],
    ["ls /worker/worker-1/t", ["/worker/worker-1/telemetry "], "/worker/worker-1/t"],
    ["echo {} > /queen/c", ["/queen/ctl "], "/queen/c"],
    ["echo /queen/c", ["/queen/ctl "], "/queen/c"],
    ["echo /worker-1", [], "/worker-1"],
    ["echo {", [], "{"],
    ["kill ", ["worker-1 ", "worker-2 "], ""],
    ["kill worker-2 ", [], ""],
    ["bind /wor", ["/worker/"], "/wor"],
    ["bind /worker /sh", [], "/sh"],
    ["mount gp", ["gpu-bridge "], "gp"],
    ["mount log /l", ["/log/"], "/l"],
    ["spawn ", ["heartbeat "], ""],
    ["spawn heartbeat t", ["ticks=", "ttl_s="], "t"],
    ["spawn heartbeat ticks=1 prio", ["priority=control ", "priority=worker "], "prio"],
    ["ping ", [], ""],
    ["unknown x", [], "x"],
  ] as const) {
    it(`offers ${JSON.stringify(candidates)} for ${JSON.stringify(line)}`, async () => {
      expect(await complete(line, list)).to.deep.equal([candidates, word]);
    });
  }

  it("offers nothing where the hive says nothing", async () => {
    const silent = (): Promise<undefined> => Promise.resolve(undefined);
    expect(await complete("cat /lo", silent)).to.deep.equal([[], "/lo"]);
    expect(await complete("kill w", silent)).to.deep.equal([[], "w"]);
  });
});

describe("cohsh remote names", () => {
  it("are kept for a moment", async () => {
    let now = 0;
    const asked: string[] = [];
    const names = remembering(
      (directory) => {
        asked.push(directory);
        return list(directory);
      },
      () => now,
    );
    expect(await names("/queen")).to.deep.equal(["ctl"]);
    now = 1999;
    expect(await names("/queen")).to.deep.equal(["ctl"]);
    expect(await names("/none")).to.equal(undefined);
    expect(await names("/none")).to.equal(undefined);
    now = 2000;
    await names("/queen");
    expect(asked).to.deep.equal(["/queen", "/none", "/queen"]);
  });

  it("are silence when asking fails, and bounded in number", async () => {
    let asked = 0;
    const names = remembering(
      () => {
        asked++;
        return Promise.reject(new Error("gone"));
      },
      () => 0,
    );
    for (let n = 0; n < 33; n++) expect(await names(`/${n}`)).to.equal(undefined);
    await names("/32");
    expect(asked).to.equal(33);
    await names("/0");
    expect(asked).to.equal(34);
  });
});
