/**
 * The files of an image under fuzz: manifest, credentials, the build's description. What is taken is what it should be, and what is
 * refused is refused in one printable sentence that shows no secret.
 */
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { manifestPath, manifestSchemaPath } from "../../../scripts/lib/manifest.ts";
import { readBuildInfo } from "../../../services/config/build-info.ts";
import { readManifest } from "../../../services/config/manifest.ts";
import { readCredentials } from "../../../services/roles/credentials.ts";
import { ROLES } from "../../../services/roles/roles.ts";
import { Random } from "../random.ts";
import { atLeast, atMost, must, type Target } from "../target.ts";
import { damaged, damageJson, PRINTABLE } from "./texts.ts";

const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as unknown;
const conforms = new Ajv2020({ strict: true }).compile(JSON.parse(readFileSync(manifestSchemaPath, "utf8")) as object);
const MANIFEST_WORDS = [
  "limits", "line_bytes", "network", "mode", "static", "dhcp", "none", "address", "10.0.2.15", "1.2.3.256", "01.2.3.4", "prefix", "consoles",
  "serial", "virtio", "workers", "telemetry", "line", "json", "components", "on_fault", "destroy", "keep", "$schema", "__proto__", "toString",
]; // prettier-ignore

const hex = (character: string, length: number): string => character.repeat(length);
/** Each is one that must not be seen anywhere. */
const SECRETS = [hex("a", 64), hex("b", 64), "token-of-the-operator", `cohesix-ticket-${hex("c", 40)}.${hex("d", 64)}`];
const [QUEEN, WORKER, TOKEN, TICKET] = SECRETS;
const credentials = { token: TOKEN, tickets: { queen: TICKET }, secrets: { queen: QUEEN, "worker-heartbeat": WORKER } };
const CREDENTIAL_WORDS = ["token", "tickets", "secrets", ...ROLES, "king", "__proto__", "constructor", ...SECRETS];

const build = { version: "1.2.3", revision: "abcdef012345", imageHash: "0123456789abcdef", quickjs: "2025-04-26" };

function counts() {
  return { texts: 0, taken: 0, refused: 0 };
}

/** What a text was refused with, `undefined` if it was taken. */
function refusal(file: string, read: () => void): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error);
    must(sentence.startsWith(`${file}: `) && sentence.endsWith("."), () => `refused with ${JSON.stringify(sentence)}`);
    must(PRINTABLE.test(sentence), () => `refused with ${JSON.stringify(sentence)}`);
    return sentence;
  }
}

interface Configuration {
  readonly name: string;
  readonly what: string;
  readonly value: unknown;
  readonly words: readonly string[];
  /** Read it. @returns the refusal */
  readonly read: (text: string) => string | undefined;
}

function target({ name, what, value, words, read }: Configuration): Target {
  return {
    name,
    what,
    run: 2048,
    short: 2 * 2048,
    counts,
    fuzz(seed, inputs, counts) {
      const random = new Random(seed);
      for (let n = 0; n < inputs; n++) {
        let json: unknown = value;
        for (let times = random.int(3); times > 0; times--) json = damageJson(json, words, random);
        const text = JSON.stringify(json, null, random.int(3));
        const refused = read(random.once(3) ? damaged(text, words, random) : text);
        counts["texts"]!++;
        counts[refused === undefined ? "taken" : "refused"]!++;
      }
    },
    reached(counts) {
      atLeast(counts, "taken", 0.05, "texts");
      atMost(counts, "taken", 0.95, "texts");
    },
  };
}

export const CONFIGURATION_TARGETS: readonly Target[] = [
  target({
    name: "manifest",
    what: "damaged manifests at the hive's reader, with the JSON Schema as witness",
    value: manifest,
    words: MANIFEST_WORDS,
    read(text) {
      const refused = refusal("manifest.json", () => readManifest(text));
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        must(refused !== undefined, () => `no JSON was taken: ${text}`);
        return refused;
      }
      must(conforms(value) === (refused === undefined), () => `the schema disagrees: ${refused ?? "taken"}: ${text}`);
      return refused;
    },
  }),
  target({
    name: "credentials",
    what: "damaged credentials at the reader of hive and shell",
    value: credentials,
    words: CREDENTIAL_WORDS,
    read(text) {
      const refused = refusal("credentials.json", () => {
        const { token, tickets, secrets } = readCredentials(text);
        must(/^[\x21-\x7e]{1,255}$/.test(token), () => `token ${token}`);
        for (const [role, secret] of Object.entries(secrets)) {
          must(ROLES.some((known) => known === role) && /^[0-9a-f]{64}$/.test(secret), () => `${role}: ${secret}`);
        }
        for (const [role, ticket] of Object.entries(tickets)) {
          must(
            ROLES.some((known) => known === role) && ticket.startsWith("cohesix-ticket-"),
            () => `${role}: ${ticket}`,
          );
        }
      });
      for (const secret of SECRETS) {
        must(refused?.includes(secret) !== true, () => `a secret is shown: ${refused}`);
      }
      return refused;
    },
  }),
  target({
    name: "build-info",
    what: "damaged descriptions of a build at the hive's reader",
    value: build,
    words: [...Object.keys(build), "__proto__"],
    read: (text) =>
      refusal("build.json", () => {
        for (const field of Object.values(readBuildInfo(text))) must(field !== "", () => "an empty field");
      }),
  }),
];
