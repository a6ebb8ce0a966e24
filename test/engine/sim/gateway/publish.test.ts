import { once } from "node:events";
import { connect } from "node:net";
import { expect } from "chai";
import { gatewayNetwork } from "../../../../engine/sim/gateway/network.ts";
import { publish } from "../../../../engine/sim/gateway/publish.ts";
import { Machine } from "../../../../engine/sim/machine.ts";
import { Heard } from "./rig.ts";

const network = gatewayNetwork({
  mode: "static",
  address: "10.0.2.15",
  prefix: 24,
  gateway: "10.0.2.2",
  consolePort: 31337,
});
const LOOPBACK = { host: "127.0.0.1", port: 0 };
const idle = (): Machine =>
  new Machine({ source: "export function turn() { return Infinity; }", clock: "real", net: {} });

describe("a published port", () => {
  it("is a free one where none is named, and is given back with all that is on it", async () => {
    const machine = idle();
    const running = machine.start();
    const published = await publish(machine, network, LOOPBACK);
    const { port, gateway } = published;
    const client = connect(port, "127.0.0.1");
    const heard = new Heard(client);
    await once(client, "connect");
    while (gateway.connections === 0) await new Promise((settle) => setImmediate(settle));
    await published.close();
    await machine.stop();
    await running;
    while (!heard.closed) await new Promise((settle) => setImmediate(settle));
    expect(heard.error).to.equal("ECONNRESET");
    expect(gateway.connections).to.equal(0);
    const late = connect(port, "127.0.0.1");
    const [error] = (await once(late, "error")) as [NodeJS.ErrnoException];
    expect(error.code).to.equal("ECONNREFUSED");
    const again = await publish(machine, network, { ...LOOPBACK, port });
    expect(again.port).to.equal(port);
    await again.close();
  });

  it("takes no processor while nobody is connected", async () => {
    const machine = idle();
    const running = machine.start();
    const published = await publish(machine, network, LOOPBACK);
    while (machine.turns === 0) await new Promise((settle) => setImmediate(settle));
    await new Promise((settle) => setImmediate(settle));
    let looks = 0;
    const { clock } = machine;
    const now = clock.nowUs.bind(clock);
    clock.nowUs = () => {
      looks++;
      return now();
    };
    await new Promise((settle) => setTimeout(settle, 300));
    expect([machine.turns, looks]).to.deep.equal([1, 0]);
    await published.close();
    await machine.stop();
    await running;
  });

  it("leaves the cable as it was when it cannot be had", async () => {
    const machine = idle();
    const first = await publish(idle(), network, LOOPBACK);
    const refused: unknown = await publish(machine, network, { ...LOOPBACK, port: first.port }).catch(
      (error: unknown) => error,
    );
    expect(String(refused)).to.equal(`Error: port ${first.port} on 127.0.0.1 is in use by another program`);
    expect(machine.net?.wire).to.equal(undefined);
    await first.close();
  });

  it("needs a network device", async () => {
    const machine = new Machine({ source: "export function turn() {}", clock: "real" });
    const refused: unknown = await publish(machine, network, LOOPBACK).catch((error: unknown) => error);
    expect(String(refused)).to.equal("Error: the machine has no network device");
  });
});
