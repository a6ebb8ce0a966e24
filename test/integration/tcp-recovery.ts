/**
 * What becomes of who follows a log over TCP while the hive's network fails: the suite for every machine whose network can. The log is
 * written on the machine's own line meanwhile, so it grows whether anybody can be told or not.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { Shell } from "../../cohsh/shell.ts";
import { tcpKeys } from "../../cohsh/transports/make.ts";
import { TcpTransport, type TcpPatience } from "../../cohsh/transports/tcp.ts";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { Page } from "../cohsh/fake-transport.ts";
import type { FailingHive } from "./listening-hive.ts";

const OPEN_MS = 10_000;
const LINE_MS = 10_000;
/** A shell that gives a silent hive up at once. */
const IMPATIENT: Partial<TcpPatience> = {
  silence: 300,
  heartbeat: 500,
  attempt: 700,
  backOff: { first: 50, most: 300 },
};

/** Lines of a log, by their numbers. */
class Writer {
  #written = 0;
  readonly #hive: FailingHive;
  readonly #name: string;

  constructor(hive: FailingHive, name: string) {
    this.#hive = hive;
    this.#name = name;
  }

  get count(): number {
    return this.#written;
  }

  async write(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.#hive.type(`echo ${this.#name} ${this.#written++}. > /log/queen.log\r`);
      await this.#hive.expect(/\nOK ECHO [^\n]*\n/, LINE_MS);
    }
  }

  /** Numbers that a page shows, in its order. */
  shownOn({ lines }: Page): number[] {
    return lines.flatMap((line) => new RegExp(` ${this.#name} (\\d+)\\.$`).exec(line)?.[1] ?? []).map(Number);
  }
}

/** @param started the hive, once the suite's tests run */
export function tcpRecovery(started: () => FailingHive): void {
  describe("while its network fails", () => {
    let shell: Shell;
    let page: Page;
    let writer: Writer;
    let tail: Promise<unknown>;
    let round = 0;

    const until = async (what: string, condition: () => boolean): Promise<void> => {
      const deadline = performance.now() + 30_000;
      while (!condition()) {
        if (performance.now() > deadline) throw new Error(`${what} did not come: ${page.lines.slice(-20).join("\n")}`);
        await delay(5);
      }
    };
    const events = (name: string): number => page.lines.filter((line) => line.startsWith(`(${name})`)).length;

    before(async () => {
      const { token } = readCredentials(readFileSync(credentialsPath, "utf8"));
      started().type(`attach queen ${token}\r`);
      await started().expect(/\nOK ATTACH role=queen\r?\n/, LINE_MS);
    });
    after(async () => {
      started().type("detach\r");
      await started().expect(/\nOK DETACH[^\n]*\n/, LINE_MS);
    });
    afterEach(() => shell.close());

    const follow = async (patience: Partial<TcpPatience> = {}): Promise<void> => {
      writer = new Writer(started(), `round${++round}`);
      page = new Page();
      const keys = tcpKeys({});
      const { port } = started();
      const transport = new TcpTransport({ host: "127.0.0.1", port, token: () => keys.token(), patience });
      shell = new Shell(transport, { timeoutMs: LINE_MS, follow: false, output: page, keys });
      await shell.open(AbortSignal.timeout(OPEN_MS));
      expect(await shell.execute("attach queen")).to.equal("ok");
      tail = shell.execute("tail -f /log/queen.log");
      await writer.write(5);
      await until("the log", () => writer.shownOn(page).length === writer.count);
    };
    /** More is written and shown, and all of it once and in order. */
    const finish = async (): Promise<void> => {
      await writer.write(5);
      await until("the rest", () => writer.shownOn(page).at(-1) === writer.count - 1);
      expect(shell.interrupt()).to.equal(true);
      expect(await tail).to.equal("ok");
      expect(writer.shownOn(page)).to.deep.equal(Array.from({ length: writer.count }, (_, n) => n));
      expect(page.lines.filter((line) => /lost|missing|anew/.test(line) && !line.startsWith("("))).to.deep.equal([]);
    };

    it("goes on over the same connection when the link was down for a moment", async () => {
      await follow();
      await started().setLink(false);
      await started().expect(/net: link down\r?\n/, LINE_MS);
      await writer.write(5);
      const shown = writer.shownOn(page).length;
      await started().setLink(true);
      await started().expect(/net: link up\r?\n/, LINE_MS);
      expect(shown).to.equal(5);
      await finish();
      expect(events("interrupted")).to.equal(0);
    });

    it("goes on over another connection when the link was down for longer than the shell waits", async () => {
      await follow(IMPATIENT);
      await started().setLink(false);
      await until("the loss", () => events("interrupted") === 1);
      await writer.write(5);
      await delay(1500);
      expect(events("resumed")).to.equal(0);
      await started().setLink(true);
      await until("the connection", () => events("resumed") === 1);
      await finish();
      expect(events("interrupted")).to.equal(1);
    });

    for (const how of ["asks", "index", "id", "length"] as const) {
      it(`goes on when the network device ${BREAKAGES[how]}`, async () => {
        await follow();
        const from = started().output.length;
        await started().breakNetwork(how);
        // What is told of these lines may be what breaks it.
        await writer.write(5);
        await until("the reset", () => /net: virtio_mmio@\S+ was reset: /.test(started().output.slice(from)));
        await finish();
        expect(events("interrupted")).to.equal(0);
      });
    }
  });
}

const BREAKAGES = {
  asks: "asks for a reset",
  index: "claims buffers that it was not given",
  id: "gives back a buffer that is none",
  length: "claims to have written more than a buffer holds",
};
