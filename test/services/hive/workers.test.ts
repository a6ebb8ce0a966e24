import { expect } from "chai";
import { O_WRONLY } from "../../../services/secure9p/constants.ts";
import { WAITS } from "../ninedoor/support.ts";
import { TestHive } from "./support.ts";

describe("hive: a worker", () => {
  it("is spawned by a line, seen by its telemetry, and killed by a line", () => {
    const all = new TestHive();
    const queen = all.visit(all.operator());
    const ctl = queen.opened("/queen/ctl", O_WRONLY);
    expect(queen.write(ctl, '{"spawn":"heartbeat"}\n')).to.equal("22");
    expect(queen.list("/worker")).to.deep.equal(["worker-1"]);
    all.pass(2500);
    expect(queen.cat("/worker/worker-1/telemetry")).to.equal("heartbeat 1\nheartbeat 2\nheartbeat 3\n");
    const follow = queen.opened("/worker/worker-1/telemetry.follow");
    expect(queen.read(follow, 0)).to.equal("heartbeat 1\nheartbeat 2\nheartbeat 3\n");
    const next = queen.readLater(follow, 36);
    expect(next.result).to.equal(WAITS);
    all.pass(1000);
    queen.pump();
    expect(next.result).to.equal("heartbeat 4\n");
    const last = queen.readLater(follow, 48);
    expect(queen.write(ctl, '{"kill":"worker-1"}\n')).to.equal("20");
    expect(queen.list("/worker")).to.deep.equal([]);
    expect(last.result).to.equal("!ESHUTDOWN");
    expect(queen.read(follow, 36)).to.equal("heartbeat 4\n");
    expect(queen.echo('{"kill":"worker-1"}\n', "/queen/ctl")).to.equal("!ENOENT");
    expect([all.components.size, all.supervisor.list().length]).to.deep.equal([0, 0]);
    expect(all.log()).to.deep.equal([
      "login: admitted role=queen session=1 from=serial by=token",
      "queen: session 1 (queen): spawn heartbeat id=worker-1",
      "worker: worker-1 killed; destroyed",
      "queen: session 1 (queen): kill id=worker-1",
      "queen: session 1 (queen): kill id=worker-1 refused, NotFound",
    ]);
    expect(all.bootLog.lines).to.deep.equal(["worker-1: killed; destroyed, 1280 KiB returned"]);
    expect(all.errors).to.deep.equal([]);
  });
});
