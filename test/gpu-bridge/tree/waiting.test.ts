import { expect } from "chai";
import { SERVED } from "../../../cohsh/export/serve.ts";
import { OWN_SESSION } from "../../../services/ninedoor/place.ts";
import { PATIENT } from "../../../services/ninedoor/remote/bounds.ts";
import { O_WRONLY } from "../../../services/secure9p/constants.ts";
import { Session } from "../../../services/secure9p/session.ts";
import { ExportHive } from "../../services/ninedoor/remote/support.ts";
import { type Visitor, WAITS } from "../../services/ninedoor/support.ts";
import { nodeBytes } from "../../services/support/ports.ts";
import { testBridge, type TestBridge, vadd } from "../support.ts";

/** Requests that a session of the hive's may have waiting. */
const TAGS = 16;

describe("a bridge that many wait for", () => {
  let test: TestBridge;
  let hive: ExportHive;
  const visitors: Visitor[] = [];
  beforeEach(async () => {
    test = await testBridge();
    hive = new ExportHive();
    hive.dial("gpu-bridge", new Session({ tree: test.bridge.tree, bytes: nodeBytes, ...SERVED }));
  });
  afterEach(() => {
    expect(hive.failures).to.deep.equal([]);
    for (const { errors } of visitors.splice(0)) expect(errors).to.deep.equal([]);
  });

  /** One who may write too, as the hive itself. */
  function visitor(): Visitor {
    const view = hive.view("queen", undefined, OWN_SESSION);
    view.may = () => undefined;
    expect(view.mount("gpu-bridge", "/gpu")).to.equal(undefined);
    const entered = hive.watched(hive.enter(view));
    visitors.push(entered);
    return entered;
  }

  const many = (count: number): Visitor[] => Array.from({ length: count }, visitor);
  const wait = (at: string) => (each: Visitor) => {
    const fid = each.opened(at);
    return Array.from({ length: TAGS }, () => each.readLater(fid, 0));
  };
  const words = (asked: readonly { result: string }[]): string[] => [
    ...new Set(asked.map(({ result }) => (result.includes('"state":"QUEUED"') ? "told" : result))),
  ];

  for (const at of ["GPU-0/lessee/worker-1/status.follow", "GPU-0/status.follow"]) {
    it(`has a place for all that a hive may have waiting at ${at}, and goes on meanwhile`, () => {
      const queen = visitor();
      queen.echo("LEASE worker-1 mem_mb=64 streams=2 ttl_s=60\n", "/gpu/GPU-0/ctl");
      const followers = many(PATIENT / TAGS);
      const waiting = followers.flatMap(wait(`/gpu/${at}`));
      expect(waiting).to.have.length(96);
      expect(words(waiting)).to.deep.equal([WAITS]);
      expect(queen.read(queen.opened(`/gpu/${at}`), 0)).to.equal("!EBUSY");
      // It was the hive that had no place for it.
      expect(test.bridge.tree.counters.waitersRefused).to.equal(0);
      expect(queen.cat("/gpu/GPU-0/info")).to.contain("Fake GPU");
      expect(queen.echo("hello", "/gpu/GPU-0/lessee/worker-1/blob/0/in")).to.equal("5");
      expect(queen.cat("/gpu/GPU-0/lessee/worker-1/blob/0/in")).to.equal("hello");
      const job = queen.opened("/gpu/GPU-0/lessee/worker-1/job", O_WRONLY);
      expect(queen.write(job, `${JSON.stringify(vadd("jid-1"))}\n`)).to.match(/^\d+$/);
      for (const each of followers) each.pump();
      expect(words(waiting)).to.deep.equal(["told"]);
    });
  }
});
