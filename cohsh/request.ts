/**
 * From a command as a user types it to the line that a hive's console takes: a login gets its credential, `spawn heartbeat` its
 * JSON, everything else goes as it is. What is added to a line is never more than the console's grammar has.
 */

import { type Role, roleOf } from "../services/roles/roles.ts";
import type { Found } from "./tickets/keyring.ts";
import { firstWord } from "./verbs.ts";

/** Who has credentials. */
export interface Keys {
  find(role: Role, subject: string | undefined): Found;
  /** A hive refused a login or ended it. */
  renew?(): void;
}

export type Request =
  | {
      readonly kind: "send";
      readonly line: string;
      /** Whether lines go on to come until somebody stops them. */
      readonly follows: boolean;
      /** Whom a login is for, if that was said. */
      readonly subject?: string;
      /** What the user should know if the hive refuses it. */
      readonly hint?: string;
    }
  | { readonly kind: "refused"; readonly word: string; readonly why: string };

/** @param command without blanks around it */
export function requestOf(command: string, keys: Keys): Request {
  const words = command.split(/ +/);
  switch (firstWord(command)) {
    case "attach":
    case "login":
      return login(command, words, keys);
    case "spawn":
      return spawn(command, words.slice(1));
    case "tail":
      return { kind: "send", line: command, follows: words[1] === "-f" };
    default:
      return { kind: "send", line: command, follows: false };
  }
}

function login(command: string, words: readonly string[], keys: Keys): Request {
  const [verb = "", label = "", third, ...rest] = words;
  const role = roleOf(label);
  const subject = third === undefined ? undefined : /^subject=(.+)$/i.exec(third)?.[1];
  if (role === undefined || rest.length > 0 || (third !== undefined && subject === undefined)) {
    return { kind: "send", line: command, follows: false };
  }
  const found = keys.find(role, subject);
  if ("missing" in found) return { kind: "send", line: `${verb} ${label}`, follows: false, hint: found.missing };
  const line = `${verb} ${label} ${found.credential}`;
  return { kind: "send", line, follows: false, ...(subject === undefined ? {} : { subject }) };
}

/** Where each word of `spawn heartbeat` goes in the JSON. */
const BUDGET_WORDS: Readonly<Record<string, string>> = { ttl_s: "ttl_s", ops: "ops", budget_ticks: "ticks" };
const SPAWN_FORM =
  "spawn takes the JSON of /queen/ctl, or heartbeat [ticks=N] [ttl_s=N] [ops=N] [budget_ticks=N] [priority=control|worker]";

function spawn(command: string, words: readonly string[]): Request {
  const [kind, ...options] = words;
  if (kind === undefined || kind.startsWith("{")) return { kind: "send", line: command, follows: false };
  const wrong = (why: string): Request => ({ kind: "refused", word: "SPAWN", why });
  if (kind.toLowerCase() !== "heartbeat") return wrong(SPAWN_FORM);
  const json: Record<string, unknown> = { spawn: "heartbeat" };
  const budget: Record<string, number> = {};
  const seen = new Set<string>();
  for (const option of options) {
    const [, name = "", value = ""] = /^([a-z_]+)=(.+)$/.exec(option) ?? [];
    if (seen.has(name)) return wrong(`${name} stands there twice`);
    seen.add(name);
    const field = Object.hasOwn(BUDGET_WORDS, name) ? BUDGET_WORDS[name] : undefined;
    if (name === "priority") json["priority"] = value;
    else if (name !== "ticks" && field === undefined) return wrong(SPAWN_FORM);
    else if (!/^\d{1,16}$/.test(value)) return wrong(`${name} must be a whole number`);
    else if (field === undefined) json["ticks"] = Number(value);
    else budget[field] = Number(value);
  }
  const { priority, ...rest } = json;
  const whole = {
    ...rest,
    ...(Object.keys(budget).length === 0 ? {} : { budget }),
    ...(priority === undefined ? {} : { priority }),
  };
  return { kind: "send", line: `spawn ${JSON.stringify(whole)}`, follows: false };
}
