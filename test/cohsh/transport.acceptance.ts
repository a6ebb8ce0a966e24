/**
 * What every transport owes the shell. A transport's test calls this with a way to make it; where a
 * transport cannot run on this machine, the reason is the name of the skipped suite.
 */

import { expect } from "chai";
import { parseAcknowledgement } from "../../cohsh/acknowledgement.ts";
import { Session } from "../../cohsh/session.ts";
import { Shell } from "../../cohsh/shell.ts";
import type { Transport, TransportSink } from "../../cohsh/transport.ts";

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

export function acceptTransport(name: string, make: () => Transport, options: AcceptanceOptions): void {
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
      const transport = make();
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
        const transport = make();
        const refused: unknown = await transport.open(new Ear(), AbortSignal.abort()).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(refused).to.be.an("error").with.property("message").that.matches(/\S/);
        await transport.close();
        expect(options.leftBehind?.(transport) ?? false).to.equal(false);
      });

      it("can be closed without having been opened", async () => {
        await make().close();
      });
    });

    describe("under the shell", () => {
      const printed: string[] = [];
      const transport = make();
      const shell = new Shell(transport, { timeoutMs: 10_000, follow: false, print: (line) => printed.push(line) });
      /** What a command prints, the shell's own notes left out. */
      const run = async (line: string): Promise<{ outcome: string; lines: string[]; notes: string[] }> => {
        printed.length = 0;
        const outcome = await shell.execute(line);
        return {
          outcome,
          lines: printed.filter((text) => !text.startsWith("# ")),
          notes: printed.filter((text) => text.startsWith("# ")),
        };
      };

      before(() => shell.open(openSignal()));
      after(() => shell.close());

      it("needs a role for the logs", async () => {
        for (const [line, verb] of [
          ["tail /log/boot.log", "TAIL"],
          ["log", "LOG"],
          ["detach", "DETACH"],
        ] as const) {
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
        ["attach queen cohesix-ticket-00.00", "unsupported"],
      ] as const) {
        it(`refuses ${line}`, async () => {
          const { outcome, lines } = await run(line);
          expect(lines).to.deep.equal([`ERR ATTACH reason=policy detail=${detail}`]);
          expect(outcome).to.equal("refused");
        });
      }

      it("attaches, reads the boot log, and detaches", async () => {
        expect(await run("attach queen")).to.include({ outcome: "ok" });
        const { outcome, lines } = await run("tail /log/boot.log");
        expect(outcome).to.equal("ok");
        expect(lines[0]).to.equal("OK TAIL path=/log/boot.log");
        expect(lines.slice(1).some((text) => /^\[ *\d+\.\d{6}\] \w+: /.test(text))).to.equal(true);
        expect(lines.some((text) => text === "PONG" || text.startsWith("OK PING"))).to.equal(false);
        const elsewhere = await run("tail /log/none.log");
        expect(elsewhere.lines).to.deep.equal([
          "ERR TAIL reason=policy detail=not-found path=/log/none.log error=ENOENT",
        ]);
        expect((await run("LOGIN Queen")).lines).to.deep.equal(["OK ATTACH role=queen"]);
        expect((await run("detach")).lines).to.deep.equal(["OK DETACH"]);
        expect((await run("tail /log/boot.log")).outcome).to.equal("refused");
      });

      it("says of each answer that the shell gave in the hive's stead that it did", async () => {
        for (const line of ["attach queen", "tail /log/boot.log", "log", "detach", "attach emperor"]) {
          expect((await run(line)).notes.length > 0, line).to.equal(transport.keeper === "shell");
        }
        expect((await run("ping")).notes).to.deep.equal([]);
      });

      it("pings, and leaves with quit", async () => {
        expect(await run("PING")).to.deep.equal({ outcome: "ok", lines: ["OK PING reply=pong", "PONG"], notes: [] });
        const { outcome, lines } = await run("quit");
        expect(outcome).to.equal("quit");
        expect(lines).to.deep.equal(["OK QUIT"]);
      });
    });

    it("answers a session that reads what it needs and no more", async () => {
      const transport = make();
      const session = new Session(transport, 10_000, () => undefined);
      await session.open(openSignal());
      try {
        for (let n = 0; n < 50; n++) {
          const lines: string[] = [];
          const { acknowledgement } = await session.run("ping", (line) => lines.push(line));
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
