import { expect } from "chai";
import { Later } from "../../../services/pump/later.ts";

describe("a result that comes later", () => {
  it("is heard once, be it told before anybody listens", () => {
    const early = new Later<number>(() => expect.fail("cancelled"));
    const heard: number[] = [];
    early.tell(1);
    early.tell(2);
    early.hear((result) => heard.push(result));
    early.hear((result) => heard.push(result));
    const late = new Later<number>(() => expect.fail("cancelled"));
    late.hear((result) => heard.push(result));
    late.tell(3);
    late.cancel();
    expect(heard).to.deep.equal([1, 3]);
  });

  it("is never heard once it is cancelled, which is told once", () => {
    let cancelled = 0;
    const later = new Later<number>(() => cancelled++);
    later.hear(() => expect.fail("heard"));
    later.cancel();
    later.cancel();
    later.tell(1);
    later.hear(() => expect.fail("heard"));
    expect(cancelled).to.equal(1);
  });

  it("becomes another one, whose cancelling cancels the first", () => {
    const heard: string[] = [];
    const told = new Later<number>(() => expect.fail("cancelled"));
    told.map((result) => `<${result}>`).hear((result) => heard.push(result));
    told.tell(1);
    const early = new Later<number>(() => expect.fail("cancelled"));
    early.tell(2);
    early.map((result) => `<${result}>`).hear((result) => heard.push(result));
    let cancelled = 0;
    new Later<number>(() => cancelled++).map(String).cancel();
    expect([heard, cancelled]).to.deep.equal([["<1>", "<2>"], 1]);
  });
});
