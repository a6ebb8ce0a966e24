import { expect } from "chai";
import fc from "fast-check";
import { SerialLines } from "../../../cohsh/transports/serial-lines.ts";

function terminal() {
  const replies: string[] = [];
  const logs: string[] = [];
  let prompts = 0;
  const serial = new SerialLines({
    reply: (line) => replies.push(line),
    log: (line) => logs.push(line),
    ended: () => undefined,
  });
  serial.onPrompt = () => prompts++;
  return {
    replies,
    logs,
    serial,
    prompts: () => prompts,
    feed: (...texts: string[]) => texts.forEach((text) => serial.feed(Buffer.from(text))),
  };
}

const CONVERSATION =
  "Cohesix 0.1.0\r\n[   0.001000] pump: init serial\r\ncohesix> ping\r\nOK PING reply=pong\r\nPONG\r\ncohesix> ";

describe("cohsh serial lines", () => {
  it("takes out echo and prompt", () => {
    const { feed, replies, logs, serial, prompts } = terminal();
    serial.sent("ping");
    feed(CONVERSATION);
    const boot = "[   0.001000] pump: init serial";
    expect(replies).to.deep.equal(["Cohesix 0.1.0", boot, "OK PING reply=pong", "PONG"]);
    expect(logs).to.deep.equal([]);
    expect(prompts()).to.equal(1);
  });

  it("gives the same however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: CONVERSATION.length }), { maxLength: 8 }), (cuts) => {
        const { feed, replies, logs } = terminal();
        const marks = [0, ...[...cuts].sort((a, b) => a - b), CONVERSATION.length];
        feed(...marks.slice(1).map((mark, n) => CONVERSATION.slice(marks[n], mark)));
        expect(replies).to.have.length(4);
        expect(replies.slice(2)).to.deep.equal(["OK PING reply=pong", "PONG"]);
        expect(logs).to.have.length(0);
      }),
    );
  });

  it("applies a redraw: a log line that pushed the half-typed command down", () => {
    for (const clear of ["\r\x1b[K", "\r\x1b[2K", "\r"]) {
      const { feed, replies, logs, serial } = terminal();
      serial.sent("ping");
      feed(`cohesix> pi${clear}[   1.500000] tick: 3\r\ncohesix> pi`, "ng\r\nOK PING reply=pong\r\nPONG\r\n");
      expect(replies).to.deep.equal(["OK PING reply=pong", "PONG"]);
      expect(logs).to.deep.equal(["[   1.500000] tick: 3"]);
    }
  });

  it("takes a log line for one of an answer unless it was written over what stood there", () => {
    const { feed, replies, logs, serial } = terminal();
    serial.sent("tail /log/boot.log");
    feed("cohesix> tail /log/boot.log\r\nOK TAIL path=/log/boot.log\r\n[   0.000001] a: b\r\n");
    feed("\r\x1b[K[   1.500000] tick: 1\r\n\r\x1b[K[   1.500001] tick: 2\r\n[   0.000002] a: c\r\nEND\r\ncohesix> ");
    expect(replies).to.deep.equal(["OK TAIL path=/log/boot.log", "[   0.000001] a: b", "[   0.000002] a: c", "END"]);
    expect(logs).to.deep.equal(["[   1.500000] tick: 1", "[   1.500001] tick: 2"]);
  });

  for (const [sent, echoed] of [
    ["attach queen s3cret", "attach queen ***"],
    ["attach queen s3cret", "attach queen s3cret"],
    ["login queen  cohesix-ticket-00.00", "login queen  ***"],
    ["echo cohesix-ticket-00.00 > /log/queen.log", "echo ***"],
    ["echo cohesix-ticket-00.00 > /log/queen.log", "echo cohesix-ticket-***"],
  ] as const) {
    it(`knows the echo of ${sent} as ${echoed}`, () => {
      const { feed, replies, serial } = terminal();
      serial.sent(sent);
      feed(`${echoed}\r\nOK ECHO\r\n`);
      expect(replies).to.deep.equal(["OK ECHO"]);
    });
  }

  it("is not put off by an echo that never came", () => {
    const { feed, replies, serial } = terminal();
    for (const line of ["lost", "ping", "help"]) serial.sent(line);
    feed("ping\r\nOK PING reply=pong\r\nPONG\r\nlost\r\nhelp\r\nOK HELP\r\n");
    expect(replies).to.deep.equal(["OK PING reply=pong", "PONG", "lost", "OK HELP"]);
  });

  it("knows a log line that came right behind the prompt", () => {
    const { feed, replies, logs } = terminal();
    feed("cohesix> [  12.000001] tick: 4\r\ncohesix> ");
    expect(replies).to.deep.equal([]);
    expect(logs).to.deep.equal(["[  12.000001] tick: 4"]);
  });

  it("applies backspaces as a terminal does", () => {
    const { feed, replies } = terminal();
    feed("OK PINX\b \bG reply=pong\r\n");
    feed("a\u{1f600}\bb\r\n\b\r\n");
    expect(replies).to.deep.equal(["OK PING reply=pong", "ab", ""]);
  });

  it("decodes characters that are cut, and replaces what is no UTF-8", () => {
    const { serial, replies } = terminal();
    serial.feed(Uint8Array.of(0xe2, 0x80));
    serial.feed(Uint8Array.of(0xa6, 0xff, 0x0a));
    expect(replies).to.deep.equal(["…\ufffd"]);
  });

  it("drops an echo that comes without a prompt, once", () => {
    const { feed, serial, replies } = terminal();
    serial.sent("help");
    feed("help\r\nhelp\r\n");
    expect(replies).to.deep.equal(["help"]);
  });

  it("hands out a line beyond its bound in pieces", () => {
    const { feed, replies } = terminal();
    feed("y".repeat(20_000), "\r\n");
    expect(replies.map((line) => line.length)).to.deep.equal([8192, 8192, 20_000 - 16_384]);
  });

  it("hands out an unfinished last line at the end", () => {
    const { feed, replies, serial } = terminal();
    feed("halt: no memory");
    serial.end();
    serial.end();
    expect(replies).to.deep.equal(["halt: no memory"]);
  });

  it("survives any bytes, and what it hands out has no control characters", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 20 }), (chunks) => {
        const { serial, replies, logs } = terminal();
        for (const chunk of chunks) serial.feed(chunk);
        serial.end();
        for (const line of [...replies, ...logs]) expect(line).to.not.match(/[^\P{Cc}\x7f-\x9f]/u);
      }),
    );
  });
});
