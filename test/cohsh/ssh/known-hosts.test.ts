import { expect } from "chai";
import { createHmac } from "node:crypto";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  fingerprint,
  judge,
  knownTypes,
  LINE_LIMIT,
  parseKnownHosts,
  wildcard,
} from "../../../cohsh/ssh/known-hosts.ts";
import { makeKey } from "./sshd.ts";

/** A key on the wire; only its kind and that it differs from others count. */
function key(type: string, filling: number): Buffer {
  const name = Buffer.from(type);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  return Buffer.concat([length, name, Buffer.alloc(36, filling)]);
}

const ED = key("ssh-ed25519", 1);
const OTHER = key("ssh-ed25519", 2);
const RSA = key("ssh-rsa", 3);
const text = (one: Buffer): string => `${one.toString("latin1", 4, 4 + one.readUInt32BE(0))} ${one.toString("base64")}`;

function hashed(name: string, salt = Buffer.alloc(20, 7)): string {
  const hash = createHmac("sha1", salt).update(name).digest("base64");
  return `|1|${salt.toString("base64")}|${hash}`;
}

const of = (...lines: string[]): ReturnType<typeof parseKnownHosts> => parseKnownHosts(lines.join("\n"), "file");
const verdict = (lines: readonly string[], host: string, port: number, shown: Buffer): string =>
  judge(of(...lines).keys, host, port, shown).kind;

describe("known hosts", () => {
  for (const [what, lines, host, port, shown, kind] of [
    ["a name", [`bastion ${text(ED)}`], "bastion", 22, ED, "known"],
    ["a name in any case", [`Bastion.Example ${text(ED)}`], "BASTION.example", 22, ED, "known"],
    ["one of several names", [`other,bastion,10.0.0.1 ${text(ED)} a comment`], "bastion", 22, ED, "known"],
    ["no part of a name", [`bastion.example ${text(ED)}`], "bastion", 22, ED, "unknown"],
    ["another key of that kind", [`bastion ${text(ED)}`], "bastion", 22, OTHER, "changed"],
    ["one of several keys", [`bastion ${text(OTHER)}`, `bastion ${text(ED)}`], "bastion", 22, ED, "known"],
    ["a key of another kind", [`bastion ${text(RSA)}`], "bastion", 22, ED, "unknown"],
    ["nothing", [], "bastion", 22, ED, "unknown"],
    ["a port", [`[bastion]:2222 ${text(ED)}`], "bastion", 2222, ED, "known"],
    ["another port", [`[bastion]:2222 ${text(ED)}`], "bastion", 2223, ED, "unknown"],
    ["the port of a name without", [`[bastion]:2222 ${text(ED)}`], "bastion", 22, ED, "unknown"],
    ["the key of the host at its own port", [`bastion ${text(ED)}`], "bastion", 2222, ED, "known"],
    [
      "another key at its own port, which says nothing of this one",
      [`bastion ${text(ED)}`],
      "bastion",
      2222,
      OTHER,
      "unknown",
    ],
    [
      "the port before the host",
      [`bastion ${text(ED)}`, `[bastion]:2222 ${text(OTHER)}`],
      "bastion",
      2222,
      ED,
      "changed",
    ],
    ["an IPv6 address", [`::1 ${text(ED)}`], "::1", 22, ED, "known"],
    ["an IPv6 address with a port", [`[::1]:2222 ${text(ED)}`], "::1", 2222, ED, "known"],
    ["a pattern", [`*.example ${text(ED)}`], "a.b.example", 22, ED, "known"],
    ["a pattern of one character", [`web? ${text(ED)}`], "web7", 22, ED, "known"],
    ["a pattern that wants more", [`web?? ${text(ED)}`], "web7", 22, ED, "unknown"],
    ["a pattern but for one", [`*.example,!bad.example ${text(ED)}`], "bad.example", 22, ED, "unknown"],
    ["a pattern but for another", [`!bad.example,*.example ${text(ED)}`], "good.example", 22, ED, "known"],
    ["nothing but what it is not", [`!bad.example ${text(ED)}`], "good.example", 22, ED, "unknown"],
    ["a hashed name", [`${hashed("bastion")} ${text(ED)}`], "Bastion", 22, ED, "known"],
    ["another hashed name", [`${hashed("bastion")} ${text(ED)}`], "bastiom", 22, ED, "unknown"],
    ["a hashed name with a port", [`${hashed("[bastion]:2222")} ${text(ED)}`], "bastion", 2222, ED, "known"],
    ["a changed key of a hashed name", [`${hashed("bastion")} ${text(ED)}`], "bastion", 22, OTHER, "changed"],
    ["a revoked key", [`bastion ${text(ED)}`, `@revoked * ${text(ED)}`], "bastion", 22, ED, "revoked"],
    ["a revoked key above", [`@revoked bastion ${text(ED)}`, `bastion ${text(ED)}`], "bastion", 22, ED, "revoked"],
    [
      "a key revoked of the host for all its ports",
      [`[bastion]:2222 ${text(ED)}`, `@revoked bastion ${text(ED)}`],
      "bastion",
      2222,
      ED,
      "revoked",
    ],
    ["a key revoked of another", [`bastion ${text(ED)}`, `@revoked other ${text(ED)}`], "bastion", 22, ED, "known"],
    ["another key that is revoked", [`@revoked bastion ${text(OTHER)}`], "bastion", 22, ED, "unknown"],
    ["an authority's key, which is no host's", [`@cert-authority * ${text(ED)}`], "bastion", 22, ED, "unknown"],
    ["tabs and blanks", [`  \tbastion \t ${text(ED)}\r`], "bastion", 22, ED, "known"],
    ["a comment", [`# bastion ${text(ED)}`], "bastion", 22, ED, "unknown"],
  ] as const) {
    // prettier-ignore
    it(`${kind}: ${what}`, () => expect(verdict(lines, host, port, shown)).to.equal(kind));
  }

  it("say where what they know stands, of several files", () => {
    const { keys } = of("", `bastion ${text(OTHER)}`, `bastion ${text(RSA)}`);
    const more = parseKnownHosts(`@cert-authority * ${text(ED)}\nbastion ${text(key("ssh-ed25519", 9))}`, "more");
    const changed = judge([...keys, ...more.keys], "bastion", 22, ED);
    expect(changed.kind === "changed" && changed.known.map(({ file, line }) => [file, line])).to.deep.equal([
      ["file", 2],
      ["more", 2],
    ]);
    const unknown = judge([...keys, ...more.keys], "bastion", 22, key("ecdsa-sha2-nistp256", 1));
    if (unknown.kind !== "unknown") throw new Error(unknown.kind);
    expect(unknown.others.map(({ type }) => type)).to.deep.equal(["ssh-ed25519", "ssh-rsa", "ssh-ed25519"]);
    expect(unknown.authorities.map(({ file, line }) => [file, line])).to.deep.equal([["more", 1]]);
    expect(knownTypes(keys, "bastion", 2222)).to.deep.equal(["ssh-ed25519", "ssh-rsa"]);
    expect(knownTypes(keys, "other", 22)).to.deep.equal([]);
  });

  for (const [line, why] of [
    ["bastion", "has not all of host, kind and key"],
    ["bastion ssh-ed25519", "has not all of host, kind and key"],
    ["bastion 1024 35 1234567890", "has a key that is none, or of another kind than it says"],
    [`bastion ssh-rsa ${ED.toString("base64")}`, "has a key that is none, or of another kind than it says"],
    [
      `bastion ssh-ed25519 ${ED.toString("base64").slice(0, 20)}!`,
      "has a key that is none, or of another kind than it says",
    ],
    ["bastion ssh-ed25519 AAAA", "has a key that is none, or of another kind than it says"],
    [`@unknown bastion ${text(ED)}`, "has a marker that is none"],
    [`|1|AAAA|BBBB ${text(ED)}`, "has a hashed name that is none"],
    [`|2|${hashed("x").slice(3)} ${text(ED)}`, "has a hashed name that is none"],
    [`${hashed("x")}|x ${text(ED)}`, "has a hashed name that is none"],
    ["x".repeat(LINE_LIMIT + 1), `is longer than ${LINE_LIMIT} characters`],
  ] as const) {
    // prettier-ignore
    it(`tell of a line that cannot be read: ${line.slice(0, 50)}`, () => {
      const { keys, mistakes } = of(`first ${text(RSA)}`, line, `last ${text(RSA)}`);
      expect(mistakes).to.deep.equal([{ file: "file", line: 2, why, revoked: false }]);
      expect(keys).to.have.length(2);
    });
  }

  it("tell apart a line that was to revoke", () => {
    expect(of("@revoked * ssh-ed25519 nonsense!").mistakes).to.deep.equal([
      { file: "file", line: 1, why: "has a key that is none, or of another kind than it says", revoked: true },
    ]);
  });

  it("are done in time with a pattern that is made to take for ever", () => {
    expect(wildcard(`${"*a".repeat(500)}b`, "a".repeat(250))).to.equal(false);
    expect(wildcard(`${"*".repeat(30_000)}x`, "y".repeat(250))).to.equal(false);
  });

  const missing = spawnSync("ssh-keygen", ["-?"]).error === undefined ? undefined : "no ssh-keygen";
  describe(`as OpenSSH writes them${missing === undefined ? "" : ` (skipped: ${missing})`}`, function () {
    let folder: string;
    before(function () {
      if (missing !== undefined) this.skip();
      folder = mkdtempSync(join(tmpdir(), "known-hosts-"));
    });
    after(() => {
      if (missing === undefined) rmSync(folder, { recursive: true });
    });

    for (const type of ["ed25519", "ecdsa", "rsa"]) {
      it(`know a host by a key of ${type}, in clear and hashed, and show the same fingerprint`, () => {
        const file = join(folder, type);
        makeKey(file, type);
        const [kind = "", base64 = ""] = readFileSync(`${file}.pub`, "utf8").split(" ");
        const shown = Buffer.from(base64, "base64");
        const hosts = join(folder, `${type}.hosts`);
        writeFileSync(hosts, `bastion.example,[10.0.0.1]:2222 ${kind} ${base64}\n`);
        expect(execFileSync("ssh-keygen", ["-lf", `${file}.pub`], { encoding: "utf8" })).to.include(fingerprint(shown));
        const clear = readFileSync(hosts, "utf8");
        // It hashes the file in place.
        execFileSync("ssh-keygen", ["-Hf", hosts], { stdio: "ignore" });
        const secret = readFileSync(hosts, "utf8");
        expect(secret)
          .to.match(/^\|1\|/)
          .and.not.include("bastion");
        for (const all of [clear, secret]) {
          const { keys, mistakes } = parseKnownHosts(all, hosts);
          expect(mistakes).to.deep.equal([]);
          expect(judge(keys, "bastion.example", 22, shown).kind).to.equal("known");
          expect(judge(keys, "10.0.0.1", 2222, shown).kind).to.equal("known");
          expect(judge(keys, "10.0.0.1", 22, shown).kind).to.equal("unknown");
        }
      });
    }
  });
});
