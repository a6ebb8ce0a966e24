import { expect } from "chai";
import type { Acknowledgement } from "../../cohsh/acknowledgement.ts";
import { Session, SessionError } from "../../cohsh/session.ts";
import { FakeTransport } from "./fake-transport.ts";

const never = new AbortController().signal;

async function started(timeoutMs = 5000) {
  const transport = new FakeTransport();
  const log: string[] = [];
  const session = new Session(transport, timeoutMs, (line) => log.push(line));
  await session.open(never);
  const printed: string[] = [];
  const listener = {
    acknowledgement: (_acknowledgement: Acknowledgement, line: string) => void printed.push(line),
    line: (text: string) => void printed.push(text),
    end: () => void printed.push("(end)"),
  };
  const run = (line: string, follows = false) => session.run(line, listener, follows);
  return { transport, session, log, printed, run };
}

async function failure(promise: Promise<unknown>): Promise<SessionError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof SessionError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

describe("cohsh session", () => {
  it("ends a command without a stream at its acknowledgement", async () => {
    const { transport, printed, run } = await started();
    const answer = run("attach queen");
    transport.reply("OK ATTACH role=queen");
    expect(await answer).to.deep.equal({ ok: true, verb: "ATTACH", detail: "role=queen" });
    expect(transport.sent).to.deep.equal(["attach queen"]);
    expect(printed).to.deep.equal(["OK ATTACH role=queen"]);
  });

  it("ends PING at PONG and a stream at END, which is no line", async () => {
    const { transport, printed, run } = await started();
    const ping = run("ping");
    transport.reply("OK PING reply=pong", "PONG");
    await ping;
    const help = run("help");
    transport.reply("OK HELP", "OK looks like an acknowledgement", "END");
    await help;
    expect(printed).to.deep.equal([
      ...["OK PING reply=pong", "PONG"],
      ...["OK HELP", "OK looks like an acknowledgement", "(end)"],
    ]);
  });

  it("expects no stream after ERR", async () => {
    const { transport, run, log } = await started();
    const help = run("help");
    transport.reply("ERR HELP reason=busy");
    expect((await help).ok).to.equal(false);
    transport.reply("END");
    expect(log).to.deep.equal(["END"]);
  });

  it("hands lines that answer nothing, and log lines in the middle of an answer, to the log", async () => {
    const { transport, run, log, printed } = await started();
    transport.reply("Cohesix 0.1.0", "OK PING reply=pong");
    const help = run("help");
    transport.reply("noise", "OK HELP");
    transport.sink.log("[   1.000000] tick: 1");
    transport.reply("ping", "END");
    await help;
    expect(log).to.deep.equal(["Cohesix 0.1.0", "OK PING reply=pong", "noise", "[   1.000000] tick: 1"]);
    expect(printed).to.deep.equal(["OK HELP", "ping", "(end)"]);
  });

  it("takes no other verb's acknowledgement, but a refusal of the line for what it is", async () => {
    const { transport, session, run, printed } = await started();
    const ping = run("ping");
    transport.reply("OK ATTACH role=queen", "ERR PARSE reason=policy detail=invalid-character");
    expect(await ping).to.include({ ok: false, verb: "PARSE" });
    expect(session.late).to.equal(1);
    expect(printed).to.deep.equal(["ERR PARSE reason=policy detail=invalid-character"]);
  });

  describe("a stream that goes on", () => {
    const begun = async (timeoutMs = 5000) => {
      const started_ = await started(timeoutMs);
      const tail = started_.run("tail -f /log/queen.log", true);
      started_.transport.reply("OK TAIL path=/log/queen.log", "one");
      return { ...started_, tail };
    };

    it("has no deadline between its lines", async () => {
      const { tail, transport, printed, session } = await begun(10);
      await new Promise((resolve) => setTimeout(resolve, 50));
      transport.reply("two");
      expect(session.stop()).to.equal(true);
      transport.reply("END", "OK STOP");
      await tail;
      expect(printed.slice(1)).to.deep.equal(["one", "two", "(end)"]);
    });

    for (const [how, replies] of [
      ["its END, then STOP's acknowledgement", ["three", "END", "OK STOP"]],
      ["STOP's acknowledgement, then its END", ["OK STOP", "three", "END"]],
      ["an END of its own, and STOP refused", ["three", "END", "ERR STOP reason=policy detail=not-found"]],
    ] as const) {
      it(`is over after ${how}`, async () => {
        const { tail, transport, printed, session, run } = await begun();
        session.stop();
        session.stop();
        expect(transport.sent).to.deep.equal(["tail -f /log/queen.log", "stop"]);
        transport.reply(...replies);
        expect(await tail).to.include({ ok: true, verb: "TAIL" });
        expect(printed.slice(1)).to.deep.equal(["one", "three", "(end)"]);
        expect(session.stop()).to.equal(false);
        const ping = run("ping");
        transport.reply("OK PING reply=pong", "PONG");
        expect(await ping).to.include({ verb: "PING" });
      });
    }

    it("ends by itself", async () => {
      const { tail, transport, session } = await begun();
      transport.reply("END");
      expect(await tail).to.include({ ok: true });
      expect(session.stop()).to.equal(false);
    });

    it("fails by name when STOP is not answered", async () => {
      const { tail, session } = await begun(20);
      session.stop();
      expect((await failure(tail)).message).to.equal("no answer to TAIL within 0.02 s");
    });

    it("is any that is coming, if that is asked for", async () => {
      const { transport, session, run } = await started();
      const cat = run("cat /proc/boot");
      expect(session.stop(true)).to.equal(false);
      transport.reply("OK CAT path=/proc/boot data=x", "one");
      expect(session.stop()).to.equal(false);
      expect(session.stop(true)).to.equal(true);
      transport.reply("END", "OK STOP");
      expect(await cat).to.include({ ok: true, verb: "CAT" });
      expect(transport.sent).to.deep.equal(["cat /proc/boot", "stop"]);
    });

    it("may be refused", async () => {
      const { transport, run, session } = await started();
      const tail = run("tail -f /none", true);
      transport.reply("ERR TAIL reason=policy detail=not-found path=/none error=ENOENT");
      expect(await tail).to.include({ ok: false });
      expect(session.stop()).to.equal(false);
    });
  });

  it("fails a command that is not answered in time, by name", async () => {
    const { run } = await started(20);
    expect((await failure(run("ping"))).message).to.equal("no answer to PING within 0.02 s");
  });

  it("does not take a late answer for the next command's", async () => {
    const { transport, session, run, printed } = await started(20);
    await failure(run("ping"));
    await failure(run("help"));
    const second = run("ping");
    transport.reply("OK PING reply=pong", "PONG", "OK HELP", "ping", "END", "OK PING reply=pong", "PONG");
    await second;
    expect(session.late).to.equal(5);
    expect(printed).to.deep.equal(["OK PING reply=pong", "PONG"]);
  });

  it("drops the rest of a stream that came to a halt", async () => {
    const { transport, session, run, printed } = await started(20);
    const help = run("help");
    transport.reply("OK HELP", "one");
    await failure(help);
    const ping = run("ping");
    transport.reply("two", "END", "OK PING reply=pong", "PONG");
    await ping;
    expect(session.late).to.equal(2);
    expect(printed).to.deep.equal(["OK HELP", "one", "OK PING reply=pong", "PONG"]);
  });

  it("finds its way back when the hive never saw an earlier command", async () => {
    const { transport, run, session } = await started(20);
    await failure(run("ping"));
    const help = run("help");
    transport.reply("OK HELP", "END");
    await help;
    expect(session.late).to.equal(0);
  });

  it("gives a line up that has left eight commands unanswered", async () => {
    const { run, transport } = await started(1);
    for (let n = 0; n < 8; n++) await failure(run("ping"));
    expect((await failure(run("ping"))).message).to.equal("8 commands were not answered, the line is given up");
    expect(transport.sent).to.have.length(8);
  });

  it("fails the running command and all later ones when the hive ends", async () => {
    const { transport, session, run } = await started();
    const reasons: string[] = [];
    session.onEnded = (reason) => reasons.push(reason);
    const ping = run("ping");
    transport.sink.ended("QEMU ended with status 1");
    expect((await failure(ping)).message).to.equal("QEMU ended with status 1");
    expect((await failure(run("ping"))).message).to.equal("QEMU ended with status 1");
    expect(reasons).to.deep.equal(["QEMU ended with status 1"]);
  });

  it("fails the running command when it is closed, and closes the transport", async () => {
    const { transport, session, run } = await started();
    const ping = run("ping");
    await session.close();
    expect((await failure(ping)).message).to.equal("the session is closed");
    expect(transport.closed).to.equal(1);
  });

  it("refuses a second command while one runs", async () => {
    const { run, transport } = await started();
    const first = run("ping");
    expect(() => run("ping")).to.throw("one command at a time");
    transport.reply("OK PING reply=pong", "PONG");
    await first;
  });

  it("fails a command that the transport does not take", async () => {
    const { run, transport } = await started();
    await transport.close();
    expect((await failure(run("ping"))).message).to.equal("not open");
  });
});
