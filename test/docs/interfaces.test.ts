import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { manifestPath } from "../../scripts/lib/manifest.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { RANGES } from "../../services/config/manifest.ts";
import { ARGUMENT_LIMITS } from "../../services/console/arguments.ts";
import { FALSE_LENGTH } from "../../services/console/door/framing.ts";
import { DOOR_LIMITS } from "../../services/console/door/limits.ts";
import { parse, type Refusal, VERBS } from "../../services/console/grammar.ts";
import { DETAIL_BYTES } from "../../services/console/look-back.ts";
import { LOG_LINES } from "../../services/console/reading.ts";
import { loginRefusalOf, refusalOf, revocationOf } from "../../services/console/refusals.ts";
import { QUEUE } from "../../services/console/session.ts";
import { NAMESPACE_LIMITS } from "../../services/ninedoor/namespace.ts";
import { COMPONENT_BYTES, MSIZE_MAX, MSIZE_MIN, WALK_DEPTH } from "../../services/secure9p/constants.ts";
import { REFUSALS } from "../../services/secure9p/refusal.ts";

const page = readFileSync(inRepository("docs", "INTERFACES.md"), "utf8");

/** Rows of the table between two marks, as cells, without its head. */
function rows(mark: string): string[][] {
  const [, table = ""] = new RegExp(`<!-- ${mark} -->\\n([^]*?)<!-- /${mark} -->`).exec(page) ?? [];
  const lines = table.trim().split("\n").slice(2);
  return lines.map((line) => line.slice(2, -2).split(" | "));
}

const plain = (cell = ""): string => cell.replaceAll("`", "");

/** A tag as the table has it: what it names left open, what may follow it left out. */
function tagOf({ reason, detail = "" }: Refusal): string {
  const tag = detail
    .replace(/ (delay_ms|pointer)=.*/, "")
    .replace(/: \w+$/, ": <name>")
    .replace(/^argument \w+/, "argument <name>");
  return `${tag} ${reason}`;
}

/** What a console answers to these lines. */
function answered(...lines: string[]): Refusal[] {
  return lines.flatMap((line) => {
    const parsed = parse(line);
    return parsed.kind === "refused" ? [parsed.refusal] : [];
  });
}

/** Sources of the consoles. */
function sources(folder = inRepository("services", "console")): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : [readFileSync(path, "utf8")];
  });
}

describe("docs/INTERFACES.md", () => {
  it("names every error that is sent, with its number, and no other", () => {
    const shown = rows("errors").map(([name = "", , errno = ""]) => `${plain(name)} ${errno}`);
    expect(shown).to.have.members(REFUSALS.map(({ name, code, errno }) => `${name} ${code} ${errno}`));
  });

  it("gives every error its reason", () => {
    const shown = rows("reasons").flatMap(([names = "", reason]) =>
      plain(names)
        .split(", ")
        .map((name) => `${name} ${plain(reason)}`),
    );
    expect(shown).to.have.members([...new Set(REFUSALS.map((why) => `${why.name} ${refusalOf(why).reason}`))]);
  });

  it("lists every verb with the word that acknowledges it, and those that switch a connection", () => {
    const table = rows("verbs").map(([verb = "", acknowledgement = ""]) => `${plain(verb)} | ${acknowledgement}`);
    for (const [verb, { word }] of Object.entries(VERBS)) {
      const row = table.find((line) => new RegExp(`\\b${verb.toLowerCase()}\\b`).test(line.split(" | ")[0]!));
      expect(row, verb).to.not.equal(undefined);
      expect(row, verb).to.match(new RegExp(`\`OK ${word}\\b|\`OK HELP\`, \`OK BOOTINFO\`, …`));
    }
    for (const verb of ["AUTH", "SECURE9P", "EXPORT"]) expect(page).to.match(new RegExp(`^\\d\\. \`${verb}\\b`, "m"));
  });

  it("lists every tag that a console answers with, with its reason, and no other", () => {
    const long = "x".repeat(300);
    const delays = { kind: "refused", delayMs: 1 } as const;
    const refusals: Refusal[] = [
      ...REFUSALS.map((why) => refusalOf(why)).filter(({ detail }) => detail !== undefined),
      ...(["denied", "expired", "revoked", "busy", "rate-limited"] as const).map((tag) =>
        loginRefusalOf({ ...delays, tag }),
      ),
      ...(["expired", "revoked"] as const).map((tag) => revocationOf({ tag, why: "" })),
      ...answered(
        "",
        "\x01",
        "frobnicate",
        "ls",
        `ls /${long}`,
        "ls relative",
        "ls / /",
        "attach nobody x",
        "secure9p",
      ),
    ];
    // What is written where it is said.
    for (const source of sources()) {
      for (const [, reason, detail] of source.matchAll(/reason: "(\w+)", detail: "([^"]+)"/g)) {
        refusals.push({ reason: reason as Refusal["reason"], detail: detail! });
      }
      for (const [, detail] of source.matchAll(/refused\("\w+", "([^"]+)"/g)) {
        refusals.push({ reason: "policy", detail: detail! });
      }
    }
    const shown = rows("tags").map(([tag, reason]) => `${plain(tag)} ${plain(reason)}`);
    expect(shown).to.have.members([...new Set(refusals.map(tagOf))]);
  });

  it("states the manifest's limits as they are, every one", () => {
    const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as Record<string, Record<string, number>>;
    const stated = rows("limits").map(([, , at]) => plain(at));
    for (const [what = "", value = "", at = ""] of rows("limits")) {
      const [, section = "", field = ""] = plain(at).split("/");
      expect(parseInt(value), what).to.equal(manifest[section]?.[field]);
    }
    const bounds = Object.keys(RANGES).filter((pointer) => /^\/(limits|log|runtime|workers|budgets)\//.test(pointer));
    expect(stated).to.have.members(bounds);
  });

  it("states the limits that are fixed as the code has them", () => {
    const seconds = (us: number): string => `${us / 1_000_000} s`;
    expect(Object.fromEntries(rows("fixed"))).to.deep.equal({
      "a path": `${ARGUMENT_LIMITS.path} bytes`,
      "names of a path, and of a walk": String(WALK_DEPTH),
      "a name": `${COMPONENT_BYTES} bytes`,
      "a role": `${ARGUMENT_LIMITS.role} bytes`,
      "a subject, and the id of a worker or service": `${ARGUMENT_LIMITS.id} bytes`,
      "a ticket": `${ARGUMENT_LIMITS.ticket} characters`,
      "lines of a session that wait for their turn": String(QUEUE),
      "connections without the token, or on their way out": String(DOOR_LIMITS.strangers),
      "from connecting to a whole `AUTH`": seconds(DOOR_LIMITS.authUs),
      "the rest of a frame": seconds(DOOR_LIMITS.frameUs),
      "answers that are not taken": seconds(DOOR_LIMITS.slowUs),
      silence: seconds(DOOR_LIMITS.idleUs),
      "what is left to say when a connection ends": seconds(DOOR_LIMITS.lingerUs),
      "a frame's length that is skipped and not taken for false": `${FALSE_LENGTH} bytes`,
      "smallest and largest msize": `${MSIZE_MIN} to ${MSIZE_MAX}`,
      "lines that `log` shows": String(LOG_LINES),
      "the acknowledgement of a `cat`": `${DETAIL_BYTES} bytes`,
      "reports that a login has open": `${NAMESPACE_LIMITS.openTextBytes} bytes`,
    });
  });

  it("states the ports and lengths of the wire in its prose", () => {
    expect(page).to.contain(`from the next byte on both sides speak [9P2000.L](SECURE9P.md), the client asking`);
    expect(page).to.contain(`OK SECURE9P msize=${MSIZE_MAX}`);
    const { console_port: port } = (
      JSON.parse(readFileSync(manifestPath, "utf8")) as { network: { console_port: number } }
    ).network;
    expect(page).to.contain(`TCP port ${port} (\`/network/console_port\`)`);
  });
});
