import { expect } from "chai";
import { readFileSync } from "node:fs";
import { MockHive } from "../../../cohsh/mock/hive.ts";
import { createCredentials } from "../../../cohsh/tickets/credentials.ts";
import { manifestPath } from "../../../scripts/lib/manifest.ts";
import { loadCtlSchemas } from "../../../scripts/lib/schemas.ts";
import { readManifest } from "../../../services/config/manifest.ts";

const schemas = await loadCtlSchemas();

describe("cohsh mock hive", () => {
  const credentials = createCredentials((length) => new Uint8Array(length).fill(3));
  let replies: string[];
  let logs: string[];
  let hive: MockHive;
  let wake: (() => void) | undefined;
  beforeEach(() => {
    replies = [];
    logs = [];
    hive = new MockHive({
      credentials,
      schemas,
      manifest: readManifest(readFileSync(manifestPath, "utf8")),
      build: { version: "1.2.3", revision: "0123456789ab", imageHash: "none", quickjs: "none" },
      reply: (line) => {
        replies.push(line);
        wake?.();
      },
      log: (line) => logs.push(line),
    });
  });
  afterEach(() => hive.close());

  /** What comes up to and with a line. */
  async function ask(line: string, last: RegExp): Promise<string[]> {
    replies.length = 0;
    hive.send(line);
    while (!replies.some((reply) => last.test(reply))) await new Promise<void>((resolve) => (wake = resolve));
    return [...replies];
  }

  it("opens with its credentials and no others", async () => {
    expect(await ask("attach queen wrong", /^ERR/)).to.deep.equal(["ERR ATTACH reason=policy detail=denied"]);
    expect(await ask(`attach queen ${credentials.token}`, /^OK/)).to.deep.equal(["OK ATTACH role=queen"]);
  });

  it("claims no machine", async () => {
    for (const [verb, word] of [
      ["bi", "BOOTINFO"],
      ["caps", "CAPS"],
      ["mem", "MEM"],
      ["ps", "PS"],
      ["netstats", "NETSTATS"],
    ] as const) {
      expect(await ask(verb, /^(OK|ERR)/)).to.deep.equal([`ERR ${word} reason=policy detail=unsupported`]);
    }
    await ask(`attach queen ${credentials.token}`, /^OK/);
    expect(await ask("cat /proc/boot", /^END/)).to.include.members([
      "version 1.2.3 revision 0123456789ab",
      "kernel none",
    ]);
    expect(await ask("ls /proc", /^END/)).to.not.include("net");
    expect(logs[0]).to.match(/^\[ *\d+\.\d{6}\] mock: a hive in the shell's own process/);
  });

  it("runs workers, and stands still once it is closed", async () => {
    await ask(`attach queen ${credentials.token}`, /^OK/);
    expect(await ask('spawn {"spawn":"heartbeat"}', /^OK/)).to.deep.equal(["OK SPAWN id=worker-1"]);
    expect(await ask("tail -f /worker/worker-1/telemetry", /^heartbeat 2/)).to.deep.equal([
      ...["OK TAIL path=/worker/worker-1/telemetry", "heartbeat 1", "heartbeat 2"],
    ]);
    hive.close();
    const count = replies.length;
    hive.send("ping");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(replies).to.have.length(count);
  });

  it("does not take lines without end", () => {
    for (let n = 0; n < 1024; n++) hive.send("ping");
    expect(() => hive.send("ping")).to.throw("1024 lines wait");
  });
});
