import { expect } from "chai";
import * as fc from "fast-check";
import { TupleTable } from "../../../../services/net/tcp/tuple-table.ts";

describe("TupleTable", () => {
  it("finds what a plain map finds, whatever is inserted and removed", () => {
    const key = fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 1, max: 4 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), key), { maxLength: 100 }), (steps) => {
        const table = new TupleTable(8);
        const slots = new Map<string, number>();
        const free = [0, 1, 2, 3, 4, 5, 6, 7];
        for (const [insert, [address, ports]] of steps) {
          const name = `${address} ${ports}`;
          const slot = slots.get(name);
          expect(table.find(address, ports)).to.equal(slot ?? -1);
          if (insert && slot === undefined && free.length > 0) {
            const taken = free.pop()!;
            table.insert(taken, address, ports);
            slots.set(name, taken);
          } else if (!insert && slot !== undefined) {
            table.remove(slot);
            slots.delete(name);
            free.push(slot);
          }
        }
        for (let address = 0; address <= 4; address++) {
          for (let ports = 1; ports <= 4; ports++) {
            expect(table.find(address, ports)).to.equal(slots.get(`${address} ${ports}`) ?? -1);
          }
        }
      }),
    );
  });
});
