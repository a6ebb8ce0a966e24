import { expect } from "chai";
import fc from "fast-check";
import {
  err,
  INVALID_CHARACTER,
  ok,
  parse,
  type Parsed,
  TOO_LONG,
  type Verb,
  VERBS,
} from "../../../services/console/grammar.ts";
import { randomLine } from "./lines.ts";

const answer = (parsed: Parsed): string => {
  if (parsed.kind === "refused") return err(parsed.word, parsed.refusal);
  const given = Object.entries(parsed).filter(([name]) => name !== "kind" && name !== "verb");
  return `run ${parsed.verb}${given.length === 0 ? "" : ` ${JSON.stringify(Object.fromEntries(given))}`}`;
};

/** A line of each verb that takes no argument less than it needs. */
const WHOLE: Partial<Record<Verb, string>> = {
  ATTACH: "queen t",
  LS: "/",
  CAT: "/a",
  TAIL: "/a",
  ECHO: "/a b",
  SPAWN: "{}",
  KILL: "worker-1",
  BIND: "/a /b",
  MOUNT: "log /b",
};

const PATH_255 = `/${"a".repeat(254)}`;
const DEEP = "/1/2/3/4/5/6/7/8";

describe("console grammar", () => {
  it("knows its verbs in any case, with blanks around them", () => {
    for (const verb of Object.keys(VERBS) as Verb[]) {
      const rest = WHOLE[verb] === undefined ? "" : ` ${WHOLE[verb]}`;
      for (const word of [
        verb,
        verb.toLowerCase(),
        `  ${verb.toLowerCase()}`,
        `${verb[0]}${verb.slice(1).toLowerCase()}`,
      ]) {
        const parsed = parse(`${word}${rest}  `);
        expect(parsed.kind === "command" && parsed.verb, word).to.equal(verb);
      }
    }
  });

  const commands: [line: string, answer: string][] = [
    ["attach queen cohesix-ticket-00", 'run ATTACH {"role":"queen","credential":"cohesix-ticket-00"}'],
    ["LOGIN  Worker   t", 'run ATTACH {"role":"worker-heartbeat","credential":"t"}'],
    [`attach observer ${"t".repeat(224)}`, `run ATTACH {"role":"observer","credential":"${"t".repeat(224)}"}`],
    ["ls /", 'run LS {"path":"/","names":[]}'],
    ["cat /proc/boot", 'run CAT {"path":"/proc/boot","names":["proc","boot"]}'],
    [`cat ${PATH_255}`, `run CAT {"path":"${PATH_255}","names":["${"a".repeat(254)}"]}`],
    [`ls ${DEEP}`, `run LS {"path":"${DEEP}","names":["1","2","3","4","5","6","7","8"]}`],
    ["tail /a", 'run TAIL {"path":"/a","names":["a"],"follow":false}'],
    ["tail /a 0", 'run TAIL {"path":"/a","names":["a"],"follow":false,"offset":0}'],
    ["TAIL -f /a 999999999999999", 'run TAIL {"path":"/a","names":["a"],"follow":true,"offset":999999999999999}'],
    ["echo /a b", 'run ECHO {"path":"/a","names":["a"],"text":"b"}'],
    ["echo /a   b  > c ", 'run ECHO {"path":"/a","names":["a"],"text":"  b  > c"}'],
    ["echo b  c > /a", 'run ECHO {"path":"/a","names":["a"],"text":"b  c"}'],
    ["echo b>/a", 'run ECHO {"path":"/a","names":["a"],"text":"b"}'],
    ["echo 1 > 0 > /a", 'run ECHO {"path":"/a","names":["a"],"text":"1 > 0"}'],
    [`echo '{"kill":"w"}' > /a`, String.raw`run ECHO {"path":"/a","names":["a"],"text":"{\"kill\":\"w\"}"}`],
    ['echo "b" > /a', 'run ECHO {"path":"/a","names":["a"],"text":"b"}'],
    ['echo "b" "c" > /a', String.raw`run ECHO {"path":"/a","names":["a"],"text":"\"b\" \"c\""}`],
    [`echo it's > /a`, `run ECHO {"path":"/a","names":["a"],"text":"it's"}`],
    ["echo ' > /a", `run ECHO {"path":"/a","names":["a"],"text":"'"}`],
    ['spawn {"spawn": "heartbeat"}', String.raw`run SPAWN {"json":"{\"spawn\": \"heartbeat\"}"}`],
    ["kill worker-7", 'run KILL {"id":"worker-7"}'],
    ["bind /a /b", 'run BIND {"from":"/a","to":"/b"}'],
    ["mount gpu-bridge /gpu", 'run MOUNT {"service":"gpu-bridge","at":"/gpu"}'],
  ];
  for (const [line, expected] of commands) {
    it(`understands ${JSON.stringify(line).slice(0, 60)}`, () => {
      expect(answer(parse(line))).to.equal(expected);
    });
  }

  const refusals: [line: string, answer: string][] = [
    ["", "PARSE reason=policy detail=empty command"],
    ["   ", "PARSE reason=policy detail=empty command"],
    ["frobnicate", "PARSE reason=policy detail=unsupported console command"],
    ["pingping", "PARSE reason=policy detail=unsupported console command"],
    ["constructor", "PARSE reason=policy detail=unsupported console command"],
    ["__proto__", "PARSE reason=policy detail=unsupported console command"],
    ["bootinfo", "PARSE reason=policy detail=unsupported console command"],
    ["p\u0131ng", "PARSE reason=policy detail=unsupported console command"],
    ["\u00a0ping", "PARSE reason=policy detail=unsupported console command"],
    ["ping twice", "PING reason=policy detail=invalid-payload"],
    ["bi -v", "BOOTINFO reason=policy detail=invalid-payload"],
    ["pi\0ng", "PARSE reason=policy detail=invalid-character"],
    ["ping\n", "PARSE reason=policy detail=invalid-character"],
    ["ping\u0085", "PARSE reason=policy detail=invalid-character"],
    ["cat /a\tb", "PARSE reason=policy detail=invalid-character"],
    ["secure9p", "SECURE9P reason=policy detail=unsupported"],
    ["export gpu-bridge", "EXPORT reason=policy detail=unsupported"],
    ["export", "EXPORT reason=policy detail=missing required argument: service"],
    ["export a b", "EXPORT reason=policy detail=invalid-payload"],
    ["export a/b", "EXPORT reason=policy detail=invalid-payload"],
    [`export ${"s".repeat(33)}`, "EXPORT reason=policy detail=argument service exceeds allowed length"],
    ["attach", "ATTACH reason=policy detail=missing required argument: role"],
    ["login", "ATTACH reason=policy detail=missing required argument: role"],
    ["attach emperor t", "ATTACH reason=policy detail=invalid-role"],
    [`attach ${"q".repeat(17)} t`, "ATTACH reason=policy detail=argument role exceeds allowed length"],
    ["attach queen", "ATTACH reason=policy detail=missing required argument: ticket"],
    ["attach queen  ", "ATTACH reason=policy detail=missing required argument: ticket"],
    [`attach queen ${"t".repeat(225)}`, "ATTACH reason=policy detail=argument ticket exceeds allowed length"],
    [`attach queen ${"\u20ac".repeat(75)}`, "ATTACH reason=policy detail=argument ticket exceeds allowed length"],
    ["attach queen t t", "ATTACH reason=policy detail=invalid-payload"],
    ["detach now", "DETACH reason=policy detail=invalid-payload"],
    ["ls", "LS reason=policy detail=missing required argument: path"],
    ["ls proc", "LS reason=policy detail=invalid-path"],
    ["ls /proc/", "LS reason=policy detail=invalid-path"],
    ["ls /proc//boot", "LS reason=policy detail=invalid-path"],
    ["ls /proc/../log", "LS reason=policy detail=invalid-path"],
    ["ls /.", "LS reason=policy detail=invalid-path"],
    [`ls ${DEEP}/9`, "LS reason=policy detail=invalid-path"],
    [`ls ${PATH_255}a`, "LS reason=policy detail=argument path exceeds allowed length"],
    ["ls /a /b", "LS reason=policy detail=invalid-payload"],
    ["cat", "CAT reason=policy detail=missing required argument: path"],
    ["cat /a b", "CAT reason=policy detail=invalid-payload"],
    ["tail", "TAIL reason=policy detail=missing required argument: path"],
    ["tail -f", "TAIL reason=policy detail=missing required argument: path"],
    ["tail -F /a", "TAIL reason=policy detail=invalid-path"],
    ["tail /a -f", "TAIL reason=policy detail=invalid-payload"],
    ["tail /a -1", "TAIL reason=policy detail=invalid-payload"],
    ["tail /a 1e3", "TAIL reason=policy detail=invalid-payload"],
    ["tail /a 9999999999999999", "TAIL reason=policy detail=invalid-payload"],
    ["tail /a 1 2", "TAIL reason=policy detail=invalid-payload"],
    ["stop it", "STOP reason=policy detail=invalid-payload"],
    ["log 5", "LOG reason=policy detail=invalid-payload"],
    ["echo", "ECHO reason=policy detail=missing required argument: path"],
    ["echo hello", "ECHO reason=policy detail=missing required argument: path"],
    ["echo hello >", "ECHO reason=policy detail=missing required argument: path"],
    ["echo hello > a", "ECHO reason=policy detail=invalid-path"],
    ["echo hello > /a /b", "ECHO reason=policy detail=invalid-path"],
    ["echo > /a", "ECHO reason=policy detail=missing required argument: text"],
    ["echo /a", "ECHO reason=policy detail=missing required argument: text"],
    ["echo '' > /a", "ECHO reason=policy detail=missing required argument: text"],
    [`echo ${PATH_255}a b`, "ECHO reason=policy detail=argument path exceeds allowed length"],
    ["spawn", "SPAWN reason=policy detail=missing required argument: json"],
    ["kill", "KILL reason=policy detail=missing required argument: id"],
    ["kill worker-1 worker-2", "KILL reason=policy detail=invalid-payload"],
    ["kill path=/a", "KILL reason=policy detail=invalid-payload"],
    [`kill ${"w".repeat(33)}`, "KILL reason=policy detail=argument id exceeds allowed length"],
    ["bind", "BIND reason=policy detail=missing required argument: from"],
    ["bind /a", "BIND reason=policy detail=missing required argument: to"],
    ["bind a /b", "BIND reason=policy detail=invalid-path"],
    ["bind /a b", "BIND reason=policy detail=invalid-path"],
    [`bind /a ${PATH_255}a`, "BIND reason=policy detail=argument to exceeds allowed length"],
    ["bind /a /b /c", "BIND reason=policy detail=invalid-payload"],
    ["mount", "MOUNT reason=policy detail=missing required argument: service"],
    ["mount log", "MOUNT reason=policy detail=missing required argument: path"],
    ["mount /log /b", "MOUNT reason=policy detail=invalid-payload"],
    [`mount ${"s".repeat(33)} /b`, "MOUNT reason=policy detail=argument service exceeds allowed length"],
    ["mount log b", "MOUNT reason=policy detail=invalid-path"],
    ["mount log /b /c", "MOUNT reason=policy detail=invalid-payload"],
    ["quit now", "QUIT reason=policy detail=invalid-payload"],
  ];
  for (const [line, expected] of refusals) {
    it(`answers ${JSON.stringify(line).slice(0, 60)} with ${expected}`, () => {
      expect(answer(parse(line))).to.equal(`ERR ${expected}`);
    });
  }

  it("says of a refused line whether its verb needs a login", () => {
    for (const verb of Object.keys(VERBS) as Verb[]) {
      const parsed = parse(`${verb} / / / /`);
      if (parsed.kind === "refused") expect(parsed.login, verb).to.equal(VERBS[verb].login);
    }
    expect(parse("export x")).to.have.property("login", true);
    expect(parse("nothing")).to.have.property("login", false);
  });

  it("says of SECURE9P and EXPORT, and of nothing else, that a transport may be switched by it", () => {
    for (const line of ["secure9p", "  SECURE9P "]) expect(parse(line)).to.have.deep.property("upgrade", {});
    for (const line of ["export x", " Export  x "])
      expect(parse(line)).to.have.deep.property("upgrade", { service: "x" });
    for (const line of ["secure9p now", "export", "export a b", "ping", ""])
      expect(parse(line)).to.not.have.property("upgrade");
  });

  it("has one answer for bytes that no line may have, and one for too many", () => {
    expect(answer(INVALID_CHARACTER)).to.equal("ERR PARSE reason=policy detail=invalid-character");
    expect(answer(TOO_LONG)).to.equal("ERR FRAME reason=policy detail=invalid-length");
  });

  it("writes acknowledgements with their fields in order", () => {
    expect(ok("AUTH")).to.equal("OK AUTH");
    expect(ok("PING", "reply=pong")).to.equal("OK PING reply=pong");
    expect(err("CAT", { reason: "policy", error: "NotFound", path: "/a b", detail: "not-found" })).to.equal(
      "ERR CAT reason=policy detail=not-found path=/a b error=NotFound",
    );
    expect(err("LS", { reason: "cut" })).to.equal("ERR LS reason=cut");
  });

  const ONE_ANSWER = /^(run [A-Z]+( \{.*\})?|ERR [A-Z0-9]+ reason=policy detail=[a-z :-]+)$/s;

  it("gives every text one meaning and never throws", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (line) => {
        expect(answer(parse(line))).to.match(ONE_ANSWER);
      }),
    );
  });

  it("keeps what it takes within the limits, however lines are put together", () => {
    fc.assert(
      fc.property(randomLine, (line) => {
        const parsed = parse(line);
        expect(answer(parsed)).to.match(ONE_ANSWER);
        if (parsed.kind === "refused") return;
        if ("path" in parsed) {
          expect(Buffer.byteLength(parsed.path)).to.be.at.most(255);
          expect(parsed.names.length).to.be.at.most(8);
          expect(`/${parsed.names.join("/")}`).to.equal(parsed.path);
        }
        if (parsed.verb === "ATTACH") expect(Buffer.byteLength(parsed.credential)).to.be.within(1, 224);
        if (parsed.verb === "ECHO") expect(line).to.include(parsed.text);
      }),
      { numRuns: 3000 },
    );
  });
});
