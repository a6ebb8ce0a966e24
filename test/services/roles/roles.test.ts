import { expect } from "chai";
import { needsSubject, ROLE_CODES, ROLE_LIMIT, roleOf, roleOfCode, ROLES } from "../../../services/roles/roles.ts";

describe("roles", () => {
  it("have the codes that tickets carry", () => {
    expect(ROLE_CODES).to.deep.equal({
      queen: 0,
      "worker-heartbeat": 1,
      "worker-gpu": 2,
      observer: 16,
      service: 17,
    });
    for (const role of ROLES) expect(roleOfCode(ROLE_CODES[role])).to.equal(role);
  });

  it("know no other code, the reserved ones neither", () => {
    for (let code = 0; code < 256; code++) {
      expect(roleOfCode(code) !== undefined, `code ${code}`).to.equal([0, 1, 2, 16, 17].includes(code));
    }
  });

  it("are found by label and alias in any case, and fit the console's limit", () => {
    for (const role of ROLES) {
      expect(roleOf(role)).to.equal(role);
      expect(roleOf(role.toUpperCase())).to.equal(role);
      expect(role.length).to.be.at.most(ROLE_LIMIT);
    }
    expect(roleOf("worker")).to.equal("worker-heartbeat");
    expect(roleOf("Worker")).to.equal("worker-heartbeat");
  });

  it("are found by nothing else", () => {
    for (const label of ["", " queen", "queen ", "queens", "bus", "lora", "constructor", "__proto__", "wor\u212aer"]) {
      expect(roleOf(label), JSON.stringify(label)).to.equal(undefined);
    }
  });

  it("need a subject if they stand for somebody in particular", () => {
    expect(ROLES.filter(needsSubject)).to.deep.equal(["worker-heartbeat", "worker-gpu", "service"]);
  });
});
