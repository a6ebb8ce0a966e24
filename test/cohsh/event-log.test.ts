import { expect } from "chai";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventLog } from "../../cohsh/event-log.ts";

const TIME = "2026-01-02T03:04:05.678Z";

describe("cohsh --log", () => {
  let directory: string;
  let file: string;
  const failures: string[] = [];
  const open = (path = file): EventLog =>
    new EventLog(
      path,
      () => TIME,
      (sentence) => failures.push(sentence),
    );
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cohsh-log-"));
    file = join(directory, "events");
    failures.length = 0;
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("has a line with its time for each event, in a file that only its user can read", () => {
    const log = open();
    log.event({ event: "connect", transport: "serial" });
    log.event({ event: "attach", role: "worker-heartbeat", subject: "worker-1" });
    log.event({ event: "detach", role: "queen", reason: "ended by the hive" });
    log.event({ event: "lost", reason: 'it said "no"\nand went' });
    log.event({ event: "close" });
    log.close();
    expect(readFileSync(file, "utf8").split("\n")).to.deep.equal([
      `${TIME} connect transport=serial`,
      `${TIME} attach role=worker-heartbeat subject=worker-1`,
      `${TIME} detach role=queen reason="ended by the hive"`,
      `${TIME} lost reason="it said \\"no\\"\\nand went"`,
      `${TIME} close`,
      "",
    ]);
    expect(statSync(file).mode & 0o777).to.equal(0o600);
  });

  it("is appended to, and what was there is closed to others", () => {
    writeFileSync(file, "before\n");
    chmodSync(file, 0o644);
    const log = open();
    log.event({ event: "close" });
    log.close();
    log.event({ event: "close" });
    expect(readFileSync(file, "utf8")).to.equal(`before\n${TIME} close\n`);
    expect(statSync(file).mode & 0o777).to.equal(0o600);
    expect(failures).to.deep.equal([]);
  });

  it("says in one sentence that the file cannot be opened", () => {
    expect(() => open(join(directory, "none", "events"))).to.throw(/^the log .*events cannot be opened: .*ENOENT/);
    expect(() => open(directory)).to.throw(/^the log .* cannot be opened: .*EISDIR/);
  });

  it("says once that it can no longer be written, and goes on", function () {
    const log = open("/dev/full");
    log.event({ event: "close" });
    log.event({ event: "close" });
    log.close();
    expect(failures).to.have.length(1);
    expect(failures[0]).to.match(/^the log \/dev\/full is no longer written: .*ENOSPC/);
  });
});
