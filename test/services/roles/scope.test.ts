import { expect } from "chai";
import type { Operation } from "../../../services/roles/policy.ts";
import { namesOf, OUT_OF_SCOPE, type Scope, scopeFor } from "../../../services/roles/scope.ts";

const SCOPES: readonly Scope[] = [
  { path: "/proc", verb: "read", ratePerSecond: 0 },
  { path: "/queen/ctl", verb: "write", ratePerSecond: 2 },
  { path: "/worker/worker-1", verb: "both", ratePerSecond: 0 },
];
const paths = SCOPES.map(({ path }) => namesOf(path)!);
const covers = (operation: Operation, path: string): number => scopeFor(SCOPES, paths, operation, namesOf(path)!);

describe("scopes", () => {
  it("cover their path and what is below it, by their verb", () => {
    expect(covers("read", "/proc")).to.equal(0);
    expect(covers("read", "/proc/net/tcp")).to.equal(0);
    expect(covers("append", "/queen/ctl")).to.equal(1);
    expect(covers("read", "/worker/worker-1/telemetry")).to.equal(2);
    for (const operation of ["append", "write", "bind", "mount"] as const) {
      expect(covers(operation, "/worker/worker-1/x"), operation).to.equal(2);
      expect(covers(operation, "/proc/boot"), operation).to.equal(OUT_OF_SCOPE);
    }
    expect(covers("read", "/queen/ctl")).to.equal(OUT_OF_SCOPE);
  });

  it("do not cover a neighbour whose name begins alike, nor the way to them", () => {
    for (const path of ["/process", "/worker/worker-10/telemetry", "/", "/worker", "/log"]) {
      expect(covers("read", path), path).to.equal(OUT_OF_SCOPE);
    }
  });

  it("let one walk to what they cover, and nowhere else", () => {
    for (const path of ["/", "/proc", "/proc/boot", "/queen", "/queen/ctl", "/worker", "/worker/worker-1/x"]) {
      expect(covers("walk", path), path).to.not.equal(OUT_OF_SCOPE);
    }
    for (const path of ["/log", "/queen/other", "/worker/worker-2"]) {
      expect(covers("walk", path), path).to.equal(OUT_OF_SCOPE);
    }
  });

  it("have an absolute path without empty, . and .. names, at most 8 deep", () => {
    expect(namesOf("/")).to.deep.equal([]);
    expect(namesOf("/a/b")).to.deep.equal(["a", "b"]);
    expect(namesOf("/1/2/3/4/5/6/7/8")).to.have.length(8);
    for (const path of ["", "a", "a/b", "//", "/a/", "/a//b", "/./a", "/a/..", "/a\0b", "/1/2/3/4/5/6/7/8/9"]) {
      expect(namesOf(path), JSON.stringify(path)).to.equal(undefined);
    }
  });
});
