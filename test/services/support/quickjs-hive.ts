/** A script that makes a hive in QuickJS, on ports of nothing but what QuickJS has; its components are nothing but events. */
import { ASCII_BYTES } from "./quickjs.ts";

/** To be followed by what a test does with `hive`, `clock`, `timers`, `supervisor`, `events`, `replies`, `frame`, `last`, `bytes`. */
export const QUICKJS_HIVE = `
import { LAYOUT } from "./services/components/layout.ts";
import { Supervisor } from "./services/components/supervisor.ts";
import { Hive } from "./services/hive/hive.ts";
import { HIVE_LIMITS } from "./services/hive/limits.ts";
import { Timers } from "./services/pump/timers.ts";
import { WORKER_RULES } from "./services/workers/rules.ts";
${ASCII_BYTES}
const frame = new Uint8Array(16384);
const replies = new Map();
const states = new Map();
let last = -1;
let events = [];
const components = {
  spawn: () => (states.set(++last, "running"), last),
  next: () => events.shift(),
  reply(id, label, word) { replies.set(id, [label, word]); },
  suspend() {}, resume() {},
  destroy: (id) => void states.delete(id),
  frame: () => frame,
  info: () => ({ image: "", state: "running", bytes: 0, calls: 0, refused: 0 }),
};
const clock = { us: 0, nowUs: () => clock.us };
const timers = new Timers(256);
const log = { line() {} };
const supervisor = new Supervisor({ components, log, clock, timers, layout: LAYOUT, policy: "destroy" });
const secrets = { "worker-heartbeat": "a secret" };
let drawn = 0;
const hive = new Hive({
  clock, timers, bytes, components, supervisor, bootLog: log, schemas: {},
  spare: clock,
  wallClock: { unixSeconds: () => undefined },
  random: { ready: true, fill: (into) => { into.fill(++drawn); return true; } },
  credentials: { token: "operator-token", secrets },
  limits: { ...HIVE_LIMITS, namespace: { logBytes: 65536 } },
  workers: WORKER_RULES,
});
`;
