import { expect } from "chai";
import { before, Layers } from "./layers.ts";

/** Charged work on a clock that nothing else moves. */
function bench() {
  let nowUs = 0;
  const layers = new Layers(() => nowUs);
  const spend = (us: number): void => void (nowUs += us);
  const figures = (): Record<string, number> =>
    Object.fromEntries(
      layers.report().flatMap((line) => {
        const [, layer = "", nanoseconds] = line.split(" ");
        return Number(nanoseconds) === 0 ? [] : [[layer, Number(nanoseconds) / 1000]];
      }),
    );
  return { layers, spend, figures };
}

describe("time by layer", () => {
  it("is what a layer takes itself, not what it hands on", () => {
    const { layers, spend, figures } = bench();
    const inner = layers.wrap(() => spend(7), "tcp");
    const outer = layers.wrap(() => {
      spend(1);
      inner();
      spend(2);
    }, "ip");
    outer();
    spend(1000);
    outer();
    expect(figures()).to.deep.equal({ ip: 6, tcp: 14 });
    expect(figures()).to.deep.equal({});
  });

  it("goes on where it was after an exception", () => {
    const { layers, spend, figures } = bench();
    const inner = layers.wrap(() => {
      spend(7);
      throw new Error("of the inner one");
    }, "tcp");
    const outer = layers.wrap(() => {
      expect(inner).to.throw("of the inner one");
      spend(2);
    }, "ip");
    outer();
    expect(figures()).to.deep.equal({ ip: 2, tcp: 7 });
  });

  it("charges methods of a class, and what they call back to who called them", () => {
    const { layers, spend, figures } = bench();
    class Client {
      ask(done: (answer: number) => void): number {
        spend(3);
        done(42);
        return 1;
      }
    }
    layers.charge(Client.prototype, "9p", ["ask"], "console");
    const answers: number[] = [];
    const asked = new Client().ask((answer) => {
      spend(5);
      answers.push(answer);
    });
    expect({ asked, answers }).to.deep.equal({ asked: 1, answers: [42] });
    expect(figures()).to.deep.equal({ "9p": 3, console: 5 });
  });

  it("takes off what the accounting costs", () => {
    let nowUs = 0;
    const layers = new Layers(() => ++nowUs);
    const inner = layers.wrap(() => undefined, "tcp");
    const outer = layers.wrap(() => {
      for (let i = 0; i < 100; i++) inner();
    }, "ip");
    outer();
    for (const line of layers.report()) expect(Math.abs(Number(line.split(" ")[2]))).to.be.lessThan(2000);
  });

  it("knows what is not there", () => {
    const { layers } = bench();
    expect(() => layers.charge({}, "tcp", ["gone"])).to.throw("profile: nothing called gone");
    expect(() => before({}, "gone", () => undefined)).to.throw("profile: nothing called gone");
  });
});
