import { expect } from "chai";
import {
  decide,
  describeDenial,
  mayExport,
  type Operation,
  OPERATIONS,
  type Principal,
} from "../../../services/roles/policy.ts";
import { type Role, ROLES } from "../../../services/roles/roles.ts";
import { leases } from "./support.ts";

/** worker-2 is somebody else, GPU-0 is leased by worker-1 and GPU-1 by worker-2. */
const LEASED = leases("worker-1 GPU-0", "worker-2 GPU-1");
const SUBJECTS: Readonly<Record<Role, string>> = {
  queen: "",
  "worker-heartbeat": "worker-1",
  "worker-gpu": "worker-1",
  observer: "",
  service: "gpu-bridge",
};
const who = (role: Role): Principal => ({ role, subject: SUBJECTS[role] });
const names = (path: string): string[] => path.split("/").filter((name) => name !== "");

/** Every file and directory of a hive with two workers, two GPUs and a bridge, and some that nobody has made. */
const WORKER_FILES = ["", "/telemetry", "/telemetry.follow", "/status", "/trace", "/result", "/ctl", "/yield"];
const GPU_FILES = [
  ...["", "/info", "/ctl", "/lease", "/lease.follow", "/job", "/status", "/status.follow", "/blob"],
  ...[0, 7].flatMap((n) => ["", "/in", "/out", "/other"].map((file) => `/blob/${n}${file}`)),
];
const PATHS = [
  ...["/", "/other", "/other/deep/er", "/shadow", "/queen", "/queen/ctl", "/queen/ctl.follow"],
  ...["boot", "version", "time", "pump", "mem", "console", "net", "net/tcp", "9p", "9p/sessions"].map(
    (file) => `/proc/${file}`,
  ),
  ...["/proc", "/log", "/log/queen.log", "/log/queen.log.follow", "/log/boot.log", "/log/boot.log.follow"],
  "/worker",
  ...["self", "worker-1", "worker-2", "worker-10"].flatMap((id) => WORKER_FILES.map((file) => `/worker/${id}${file}`)),
  ...["/worker/worker-1/status/deeper", "/worker/self/telemetry/deeper", "/worker/<self>/telemetry", "/worker/*"],
  "/gpu",
  ...["GPU-0", "GPU-1", "<lease>"].flatMap((id) => GPU_FILES.map((file) => `/gpu/${id}${file}`)),
];

/**
 * The interface's sentences on roles, written as predicates and not as a table: what a role may read, append, write, bind or mount.
 * What may be walked follows: all that has something granted on it or below it.
 */
function expected(role: Role, operation: Exclude<Operation, "walk">, path: string): boolean {
  const own = /^\/worker\/(?:self|worker-1)(?:\/([^/]+))?$/.exec(path);
  const ownFile = own?.[1];
  const leased = /^\/gpu\/GPU-0\/(.+)$/.exec(path)?.[1];
  switch (role) {
    case "queen":
      if (operation === "read" || operation === "bind" || operation === "mount") return true;
      if (operation === "write") return false;
      return path === "/queen/ctl" || path === "/log/queen.log" || /^\/(?:worker|gpu)\/[^/]+\/ctl$/.test(path);
    case "observer":
      if (operation !== "read") return false;
      if (path === "/" || /^\/(?:proc|log)(?:\/|$)/.test(path)) return true;
      return /^\/worker(?:\/[^/]+(?:\/telemetry(?:\.follow)?)?)?$/.test(path);
    case "worker-heartbeat":
    case "worker-gpu": {
      const gpu = role === "worker-gpu";
      if (operation === "read") {
        if (["/proc/boot", "/proc/time", "/log/queen.log", "/log/queen.log.follow"].includes(path)) return true;
        if (own !== null) return true;
        return (
          gpu && leased !== undefined && /^(?:info|(?:status|lease)(?:\.follow)?|blob\/\d\/(?:in|out))$/.test(leased)
        );
      }
      if (operation === "append") {
        if (ownFile === "telemetry" || ownFile === "yield") return true;
        return gpu && (ownFile === "result" || leased === "job");
      }
      return gpu && operation === "write" && leased !== undefined && /^blob\/\d\/in$/.test(leased);
    }
    case "service":
      return false;
  }
}

const ACTIONS = OPERATIONS.filter((operation) => operation !== "walk");

function expectedWalk(role: Role, path: string): boolean {
  const below = path === "/" ? "/" : `${path}/`;
  // Any directory may hold a file that nobody thought of: the roles that may read everything below are asked for one.
  const candidates = [...PATHS, `${below}anything`];
  return candidates.some(
    (other) => (other === path || other.startsWith(below)) && ACTIONS.some((action) => expected(role, action, other)),
  );
}

describe("policy", () => {
  it("answers every role, path and operation as the interface says", () => {
    let walked = 0;
    const wrong: string[] = [];
    for (const role of ROLES) {
      for (const path of PATHS) {
        for (const operation of OPERATIONS) {
          const wanted = operation === "walk" ? expectedWalk(role, path) : expected(role, operation, path);
          const decision = decide(who(role), operation, names(path), LEASED);
          if ((decision === "granted") !== wanted) wrong.push(`${role} ${operation} ${path}: ${decision}`);
          walked++;
        }
      }
    }
    expect(wrong).to.deep.equal([]);
    expect(walked).to.equal(ROLES.length * PATHS.length * OPERATIONS.length);
    expect(new Set(PATHS).size).to.equal(PATHS.length);
  });

  it("tells another worker's files and a missing lease from what nobody of the role may", () => {
    const worker = who("worker-gpu");
    const ask = (operation: Operation, path: string): string => decide(worker, operation, names(path), LEASED);
    expect(ask("append", "/worker/worker-2/telemetry")).to.equal("another-worker");
    expect(ask("walk", "/worker/worker-2")).to.equal("another-worker");
    expect(ask("append", "/gpu/GPU-1/job")).to.equal("no-lease");
    expect(ask("read", "/gpu/GPU-9/info")).to.equal("no-lease");
    expect(ask("append", "/queen/ctl")).to.equal("not-granted");
    expect(ask("append", "/gpu/GPU-0/ctl")).to.equal("not-granted");
    expect(ask("append", "/worker/self/ctl")).to.equal("not-granted");
  });

  it("follows a lease when it ends", () => {
    const job = names("/gpu/GPU-0/job");
    expect(decide(who("worker-gpu"), "append", job, LEASED)).to.equal("granted");
    expect(decide(who("worker-gpu"), "append", job, leases())).to.equal("no-lease");
    expect(decide(who("worker-heartbeat"), "append", job, LEASED)).to.equal("not-granted");
  });

  it("lets a service export what it is called, and nobody else anything", () => {
    expect(mayExport(who("service"), "gpu-bridge")).to.equal(true);
    expect(mayExport(who("service"), "other")).to.equal(false);
    expect(mayExport({ role: "service", subject: "" }, "")).to.equal(false);
    for (const role of ROLES.filter((other) => other !== "service")) {
      expect(mayExport({ role, subject: "gpu-bridge" }, "gpu-bridge"), role).to.equal(false);
    }
  });

  it("describes a denial so that a path cannot look like another line or field", () => {
    expect(describeDenial(who("worker-heartbeat"), "append", ["queen", "ctl"], "not-granted")).to.equal(
      "denied append path=/queen/ctl role=worker-heartbeat subject=worker-1 why=not-granted",
    );
    expect(describeDenial(who("queen"), "write", [], "out-of-scope")).to.equal(
      "denied write path=/ role=queen why=out-of-scope",
    );
    const forged = describeDenial(
      who("observer"),
      "read",
      ["a\n[ 0.1] audit: all fine", "b role=queen\u202e"],
      "not-granted",
    );
    expect(forged).to.equal(
      "denied read path=/a\\u{a}[\\u{20}0.1]\\u{20}audit:\\u{20}all\\u{20}fine/b\\u{20}role\\u{3d}queen\\u{202e}" +
        " role=observer why=not-granted",
    );
  });
});
