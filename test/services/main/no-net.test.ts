/** The hive that is built with `--no-net`: nothing of the network is in it, and it says so where it is asked. */
import { expect } from "chai";
import { layerOf } from "../../../ci/layers.js";
import type { VmBundle } from "../../../scripts/lib/vm-bundle.ts";
import { bundle, credentials, Hive } from "./hive.ts";

/** What `--no-net` leaves out. */
const NETWORK = /^services\/(?:net|console\/door)\/|^services\/drivers\/virtio\/net\.ts$|^services\/proc\/network\.ts$/;
/** What others have from there: the manifest's addresses, and limits of rates. */
const SHARED = ["services/net/address.ts", "services/net/rate.ts"];

describe("a hive built without the network", () => {
  let whole: VmBundle;
  let small: VmBundle;
  before(async function () {
    this.timeout(60_000);
    [whole, small] = [await bundle(true), await bundle(false)];
  });

  const network = ({ modules }: VmBundle): string[] => modules.filter((path) => NETWORK.test(path)).sort();

  it("has no module of stack, door and driver in it, where the other has them all", () => {
    expect(network(small)).to.deep.equal(SHARED);
    const all = network(whole);
    for (const path of ["services/net/stack.ts", "services/net/tcp/tcp.ts", "services/console/door/server.ts"]) {
      expect(all).to.include(path);
    }
    expect(all).to.include("services/drivers/virtio/net.ts");
    expect(all.length).to.be.greaterThan(50);
    // Nothing else is left out, and nothing is put in their place.
    const others = ({ modules }: VmBundle): string[] => modules.filter((path) => !NETWORK.test(path)).sort();
    expect(others(whole).filter((path) => !small.modules.includes(path))).to.deep.equal([]);
    expect(others(small).filter((path) => !whole.modules.includes(path))).to.deep.equal([]);
    expect(small.js.length).to.be.lessThan(whole.js.length - 200_000);
  });

  it("knows its modules by their places in the repository", () => {
    for (const path of network(whole)) expect(layerOf(path)?.name).to.be.oneOf(["core", "drivers"]);
    expect(whole.modules).to.include("services/main.ts");
  });

  it("boots, says why there is no network, and refuses what is about it in a sentence", async () => {
    // The device is there; nobody drives it.
    const hive = new Hive(small);
    await hive.boot();
    const { transcript } = hive.terminal;
    expect(transcript).to.match(/\] net: left out of this build\r\n/);
    expect(transcript).to.not.match(/init net|init door|failed/);
    expect((await hive.ask("netstats"))[1]).to.equal("ERR NETSTATS reason=busy detail=no network");
    const bi = await hive.ask("bi");
    expect(bi[1]).to.equal("OK BOOTINFO");
    expect(bi).to.include("device net none: left out of this build");
    expect(bi.filter((row) => row.startsWith("up "))).to.have.length(8);
    expect((await hive.ask("caps"))[1]).to.equal("OK CAPS");
    await hive.ask(`attach queen ${credentials.token}`);
    expect((await hive.ask("ls /proc/net"))[1]).to.equal(
      "ERR LS reason=policy detail=not-found path=/proc/net error=ENOENT",
    );
    expect(await hive.ask("ls /proc")).to.not.include("net");
    expect(await hive.ask("cat /proc/boot")).to.include("device net none: left out of this build");
    expect(await hive.ask("ping")).to.include("PONG");
    expect(hive.machine.restarts).to.equal(0);
  });

  it("takes less of the heap", async () => {
    const used = async (built: VmBundle): Promise<number> => {
      const hive = new Hive(built);
      await hive.boot();
      return hive.machine.heapUsed;
    };
    expect(await used(small)).to.be.lessThan((await used(whole)) - 300_000);
  });
});
