/**
 * What every transport owes the shell. A transport's test calls this with a way to make it; where a
 * transport cannot run on this machine, the reason is the name of the skipped suite.
 */

import { expect } from "chai";
import { parseAcknowledgement } from "../../cohsh/acknowledgement.ts";
import type { Keys } from "../../cohsh/request.ts";
import { Session } from "../../cohsh/session.ts";
import { Shell } from "../../cohsh/shell.ts";
import type { Transport, TransportSink } from "../../cohsh/transport.ts";
import { Page } from "./fake-transport.ts";

export interface AcceptanceOptions {
  /** Why it cannot run here, if it cannot. */
  readonly skip?: string | undefined;
  /** How long it may take to come up and to end. */
  readonly openMs: number;
  readonly closeMs: number;
  /** Whether anything that it started is still there. */
  readonly leftBehind?: (transport: Transport) => boolean;
}

/** Keeps what a transport brings, and lets a test wait for it. */
class Ear implements TransportSink {
  readonly replies: string[] = [];
  readonly logs: string[] = [];
  readonly ends: string[] = [];
  #wake: (() => void) | undefined;

  reply(line: string): void {
    this.replies.push(line);
    this.#wake?.();
  }

  log(line: string): void {
    this.logs.push(line);
    this.#wake?.();
  }

  ended(reason: string): void {
    this.ends.push(reason);
    this.#wake?.();
  }

  /** @throws mocha's time-out if it never comes true. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** A transport, and the credentials of the hive that it leads to. */
export interface Candidate {
  readonly transport: Transport;
  readonly keys: Keys;
}

export function acceptTransport(name: string, make: () => Candidate, options: AcceptanceOptions): void {
  const title = `transport ${name}`;
  if (options.skip !== undefined) {
    describe.skip(`${title} (skipped: ${options.skip})`, () => {
      it("meets the transports' acceptance", () => undefined);
    });
    return;
  }
  const openSignal = (): AbortSignal => AbortSignal.timeout(options.openMs);
  const patience = options.openMs + options.closeMs + 20_000;

  describe(title, function () {
    this.timeout(patience);

    describe("as a wire", () => {
      const { transport } = make();
      const ear = new Ear();
      /** The replies to one line, up to and with the one that `last` accepts. */
      const ask = async (line: string, last: (reply: string) => boolean): Promise<string[]> => {
        const start = ear.replies.length;
        transport.send(line);
        await ear.until(() => ear.replies.slice(start).some(last));
        return ear.replies.slice(start);
      };

      it("takes no line before it is open", () => {
        expect(() => transport.send("ping")).to.throw(Error, "open");
      });

      it("opens when the hive takes commands", async () => {
        await transport.open(ear, openSignal());
        expect(ear.ends).to.deep.equal([]);
      });

      it("cannot be opened twice", async () => {
        const refused: unknown = await transport.open(new Ear(), openSignal()).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(refused).to.be.an("error");
      });

      it("brings the answer to PING: one acknowledgement, then PONG, without echo or prompt", async () => {
        expect(await ask("ping", (line) => line === "PONG")).to.deep.equal(["OK PING reply=pong", "PONG"]);
      });

      it("brings a stream whole, up to END", async () => {
        const replies = await ask("HELP", (line) => line === "END");
        expect(replies[0]).to.equal("OK HELP");
        expect(replies.filter((line) => /^(help|ping)\b/.test(line))).to.have.length(2);
        expect(replies.filter((line) => line === "END")).to.have.length(1);
      });

      it("brings exactly one refusal for what is no command", async () => {
        expect(await ask("no-such-verb with words", (line) => line.startsWith("ERR"))).to.deep.equal([
          "ERR PARSE reason=policy detail=unsupported console command",
        ]);
        expect(await ask("ping pong", (line) => line.startsWith("ERR"))).to.deep.equal([
          "ERR PING reason=policy detail=invalid-payload",
        ]);
        expect(await ask("", (line) => line.startsWith("ERR"))).to.deep.equal([
          "ERR PARSE reason=policy detail=empty command",
        ]);
      });

      it("refuses a line beyond the limit once, and takes the next", async () => {
        expect(await ask("x".repeat(1025), (line) => line.startsWith("ERR"))).to.deep.equal([
          "ERR FRAME reason=policy detail=invalid-length",
        ]);
        expect(await ask("ping", (line) => line === "PONG")).to.deep.equal(["OK PING reply=pong", "PONG"]);
      });

      it("carries UTF-8 there and back without harm", async () => {
        expect(await ask("grüße € 🐝", (line) => line.startsWith("ERR"))).to.deep.equal([
          "ERR PARSE reason=policy detail=unsupported console command",
        ]);
      });

      it("answers lines that were sent without waiting, each once and in order", async () => {
        const start = ear.replies.length;
        const lines = ["ping", "nonsense", "help", "ping", "ping"];
        for (const line of lines) transport.send(line);
        const pongs = (): number => ear.replies.slice(start).filter((line) => line === "PONG").length;
        await ear.until(() => pongs() === 3);
        const acknowledged = ear.replies
          .slice(start)
          .map(parseAcknowledgement)
          .filter((acknowledgement) => acknowledgement !== undefined)
          .map(({ verb }) => verb);
        expect(acknowledged).to.deep.equal(["PING", "PARSE", "HELP", "PING", "PING"]);
      });

      it("closes in time, again at once, and then neither brings nor takes a line", async () => {
        const start = process.hrtime.bigint();
        await transport.close();
        expect(Number(process.hrtime.bigint() - start) / 1e6).to.be.below(options.closeMs);
        await transport.close();
        const count = ear.replies.length;
        expect(() => transport.send("ping")).to.throw(Error, "open");
        await new Promise(setImmediate);
        expect(ear.replies).to.have.length(count);
        expect(ear.ends).to.deep.equal([]);
        expect(options.leftBehind?.(transport) ?? false).to.equal(false);
      });
    });

    describe("given up", () => {
      it("rejects with a sentence and leaves nothing when it is aborted before it begins", async () => {
        const { transport } = make();
        const refused: unknown = await transport.open(new Ear(), AbortSignal.abort()).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(refused).to.be.an("error").with.property("message").that.matches(/\S/);
        await transport.close();
        expect(options.leftBehind?.(transport) ?? false).to.equal(false);
      });

      it("can be closed without having been opened", async () => {
        await make().transport.close();
      });
    });

    describe("under the shell", () => {
      const page = new Page();
      const { transport, keys } = make();
      const shell = new Shell(transport, { timeoutMs: 10_000, follow: false, output: page, keys });
      /** What a command shows, itself and the shell's own notes left out. */
      const run = async (line: string): Promise<{ outcome: string; lines: string[] }> => {
        page.lines.length = 0;
        const outcome = await shell.execute(line);
        return { outcome, lines: page.take().filter((text) => !/^[>#] /.test(text)) };
      };

      before(() => shell.open(openSignal()));
      after(() => shell.close());

      it("needs a login for whatever is not about the machine", async () => {
        for (const line of [
          ...["ls /", "cat /proc/boot", "tail /log/boot.log", "log", "stop", "detach", "echo x > /log/queen.log"],
          ...["spawn heartbeat", "kill worker-1", "bind /log /l", "mount log /l"],
        ]) {
          const verb = line.split(" ")[0]?.toUpperCase();
          const { outcome, lines } = await run(line);
          expect(lines).to.deep.equal([`ERR ${verb} reason=policy detail=unauthenticated`]);
          expect(outcome).to.equal("refused");
        }
      });

      for (const [line, detail] of [
        ["attach", "missing required argument: role"],
        ["attach emperor", "invalid-role"],
        ["attach an-emperor-of-long-name", "argument role exceeds allowed length"],
        ["login worker", "missing required argument: ticket"],
        ["attach queen cohesix-ticket-00.00", "denied"],
      ] as const) {
        it(`refuses ${line}`, async () => {
          const { outcome, lines } = await run(line);
          expect(lines).to.deep.equal([`ERR ATTACH reason=policy detail=${detail}`]);
          expect(outcome).to.equal("refused");
        });
      }

      it("attaches with the credentials that it finds, and shows none", async () => {
        expect(await run("attach queen")).to.deep.equal({ outcome: "ok", lines: ["OK ATTACH role=queen"] });
        expect(page.lines.join("\n")).to.not.match(/ticket-/);
      });

      it("lists directories and reads files", async () => {
        const root = await run("ls /");
        expect(root.lines[0]).to.equal(`OK LS path=/ entries=${root.lines.length - 2}`);
        expect(root.lines).to.include.members(["log", "proc", "queen", "worker"]);
        const boot = await run("cat /proc/boot");
        expect(boot.outcome).to.equal("ok");
        expect(boot.lines[0]).to.match(/^OK CAT path=\/proc\/boot data=/);
        expect(boot.lines.some((text) => /^version \d+\.\d+\.\d+ revision \S+$/.test(text))).to.equal(true);
        expect((await run("cat /none")).lines).to.deep.equal([
          "ERR CAT reason=policy detail=not-found path=/none error=ENOENT",
        ]);
      });

      it("reads a log whose lines look like what the machine prints, and nothing that it prints beside", async () => {
        const { outcome, lines } = await run("tail /log/boot.log");
        expect(outcome).to.equal("ok");
        expect(lines[0]).to.equal("OK TAIL path=/log/boot.log");
        expect(lines.filter((text) => /^\[ *\d+\.\d{6}\] \w+: /.test(text)).length).to.be.greaterThan(0);
        expect(lines.some((text) => text === "PONG" || text.startsWith("OK PING"))).to.equal(false);
      });

      it("appends a line, which then stands in the log with whoever wrote it", async () => {
        const line = "grüße from the acceptance";
        const bytes = Buffer.byteLength(line) + 1;
        expect((await run(`echo ${line} > /log/queen.log`)).lines).to.deep.equal([
          `OK ECHO path=/log/queen.log bytes=${bytes}`,
        ]);
        for (const command of ["cat /log/queen.log", "log", "tail /log/queen.log"]) {
          const { lines } = await run(command);
          expect(lines.at(-2), command).to.match(new RegExp(`client session=\\d+ role=queen: ${line}$`));
        }
        expect((await run("echo x > /proc/boot")).lines).to.deep.equal([
          "ERR ECHO reason=policy detail=denied path=/proc/boot error=EPERM",
        ]);
      });

      it("follows a log until it is interrupted, and then takes the next command", async () => {
        page.lines.length = 0;
        const tail = shell.execute("tail -f /log/queen.log");
        while (!page.lines.some((text) => text.includes("from the acceptance"))) {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        expect(shell.interrupt()).to.equal(true);
        expect(await tail).to.equal("ok");
        expect(page.lines.at(-1)).to.equal("(end)");
        expect((await run("ping")).lines).to.deep.equal(["OK PING reply=pong", "PONG"]);
      });

      it("names directories for completion", async () => {
        expect(await shell.list("/log", 5000)).to.include.members(["boot.log", "queen.log"]);
        expect(await shell.list("/none", 5000)).to.equal(undefined);
      });

      it("attaches again, and detaches", async () => {
        expect((await run("LOGIN Queen")).lines).to.deep.equal(["OK ATTACH role=queen"]);
        expect((await run("attach observer")).lines).to.deep.equal(["OK ATTACH role=observer"]);
        expect((await run("echo x > /log/queen.log")).lines).to.deep.equal([
          "ERR ECHO reason=policy detail=denied path=/log/queen.log error=EPERM",
        ]);
        expect((await run("detach")).lines).to.deep.equal(["OK DETACH"]);
        expect((await run("tail /log/boot.log")).outcome).to.equal("refused");
      });

      it("pings, and leaves with quit", async () => {
        expect(await run("PING")).to.deep.equal({ outcome: "ok", lines: ["OK PING reply=pong", "PONG"] });
        const { outcome, lines } = await run("quit");
        expect(outcome).to.equal("quit");
        expect(lines).to.have.length(1);
        expect(lines[0]).to.match(/^OK QUIT\b/);
      });
    });

    it("answers a session that reads what it needs and no more", async () => {
      const { transport } = make();
      const session = new Session(transport, 10_000, () => undefined);
      await session.open(openSignal());
      try {
        for (let n = 0; n < 50; n++) {
          const lines: string[] = [];
          const acknowledgement = await session.run("ping", {
            acknowledgement: (_acknowledgement, line) => void lines.push(line),
            line: (text) => void lines.push(text),
            end: () => undefined,
          });
          expect(acknowledgement.ok).to.equal(true);
          expect(lines).to.deep.equal(["OK PING reply=pong", "PONG"]);
        }
        expect(session.late).to.equal(0);
      } finally {
        await session.close();
      }
    });
  });
}
