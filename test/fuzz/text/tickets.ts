/** Tickets under fuzz: whatever is made of one, only what was signed is what was signed, and a payload has one reading. */
import {
  type Claims,
  claimsOf,
  decodePayload,
  deriveKey,
  encodePayload,
  equalBytes,
  macOf,
  signTicket,
  splitTicket,
  TICKET_PREFIX,
  toHex,
} from "../../../services/roles/ticket.ts";
import { nodeBytes } from "../../services/support/ports.ts";
import { damage, GROWTH } from "../damage.ts";
import { Random } from "../random.ts";
import { atLeast, must, type Target } from "../target.ts";
import { damageText, PRINTABLE } from "./texts.ts";

const SECRET = "of-all-roles";
const KEY = deriveKey(nodeBytes, SECRET);
const WIDE = { ticket: 4096, subject: 255 };
const quotas = { bandwidthBytes: 1, cursorResumes: 2, cursorAdvances: 3 };
const ALL: readonly Claims[] = [
  claimsOf("queen"),
  claimsOf("worker-heartbeat", { subject: "worker-1" }),
  claimsOf("observer", { ttlS: 60, issuedAtMs: 1_700_000_000_000 }),
  claimsOf("worker-gpu", { subject: "w-7", ticks: 1, ops: 2, ttlS: 3, mountService: "log", mountAt: "/m", quotas }),
  claimsOf("queen", { scopes: [{ path: "/a", verb: "read", ratePerSecond: 3 }] }),
  claimsOf("service", { subject: "gpu-bridge", scopes: [{ path: "/", verb: "both", ratePerSecond: 64 }], quotas }),
];
const SIGNED = ALL.map((one) => signTicket(nodeBytes, deriveKey(nodeBytes, SECRET), one));
const PAYLOADS = ALL.map((one) => encodePayload(nodeBytes, one));
const WORDS = [TICKET_PREFIX, ".", "..", "00", "ff", "FF", "0".repeat(64), ...SIGNED];

function ticketCounts() {
  return { inputs: 0, split: 0, read: 0, right: 0 };
}
type TicketCounts = ReturnType<typeof ticketCounts>;

function text(random: Random, counts: TicketCounts): void {
  let ticket = random.of(SIGNED);
  for (let times = random.int(3); times > 0; times--) ticket = damageText(ticket, WORDS, random);
  const parts = splitTicket(ticket);
  if (parts === undefined) return;
  counts.split++;
  const again = `${TICKET_PREFIX}${toHex(parts.payload)}.${toHex(parts.mac)}`;
  must(again === ticket, () => `${ticket} is read as ${again}`);
  if (!equalBytes(macOf(KEY, parts.payload), parts.mac)) return;
  counts.right++;
  must(SIGNED.includes(ticket), () => `${ticket} was never signed`);
}

const room = new Uint8Array(1024);

function payload(random: Random, counts: TicketCounts): void {
  const whole = random.of(PAYLOADS);
  room.set(whole);
  let length = whole.length;
  for (let times = 1 + random.int(3); times > 0; times--) length = damage(room, 0, 0, length, random);
  if (random.int(3) > 0) room[0] = 1;
  must(length <= whole.length + 3 * GROWTH, () => "too much damage");
  const bytes = room.slice(0, length);
  const decoded = decodePayload(nodeBytes, bytes, WIDE);
  if (decoded.kind === "refused") {
    must(decoded.why !== "" && PRINTABLE.test(decoded.why), () => `refused with ${JSON.stringify(decoded.why)}`);
    return;
  }
  counts.read++;
  const again = encodePayload(nodeBytes, decoded.claims, WIDE);
  must(equalBytes(again, bytes), () => `${toHex(bytes)} is read as ${toHex(again)}`);
}

export const tickets: Target = {
  name: "ticket",
  what: "damaged tickets and payloads at their reader",
  run: 4096,
  short: 2 * 4096,
  counts: ticketCounts,
  fuzz(seed, inputs, all) {
    const random = new Random(seed);
    const counts = all as TicketCounts;
    for (let n = 0; n < inputs; n++) {
      counts.inputs++;
      if (random.once(2)) text(random, counts);
      else payload(random, counts);
    }
  },
  reached(counts) {
    atLeast(counts, "split", 0.05, "inputs");
    atLeast(counts, "read", 0.01, "inputs");
    atLeast(counts, "right", 0.01, "inputs");
  },
};
