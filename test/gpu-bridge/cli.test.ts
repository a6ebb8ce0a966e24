import { expect } from "chai";
import type { Layers } from "../../cohsh/cli.ts";
import type { EnvironmentSettings } from "../../cohsh/settings.ts";
import { parseGpuBridge } from "../../gpu-bridge/cli.ts";

function parse(args: readonly string[], environment: EnvironmentSettings = {}): ReturnType<typeof parseGpuBridge> {
  const layers: Layers = {
    environment: () => environment,
    config: () => ({ credentials: "/config/credentials.json" }),
  };
  return parseGpuBridge(args, "1.2.3", layers);
}

describe("the command line of gpu-bridge", () => {
  it("lists with nvml unless it is told otherwise", () => {
    expect(parse(["list"])).to.deep.equal({ list: { backend: "nvml", json: false } });
    expect(parse(["list", "--json", "--backend", "cpu"])).to.deep.equal({ list: { backend: "cpu", json: true } });
    expect(parse(["list", "--mock"])).to.deep.equal({ list: { backend: "mock", json: false } });
  });

  it("serves a hive with a file, with what stands there, or with what the environment has", () => {
    const common = { via: undefined, openTimeoutMs: 10_000, backend: "nvml" };
    const hive = ["serve", "--hive", "lab.example:31337"];
    const address = { host: "lab.example", port: 31_337 };
    const environment = { token: "t", ticket: "k" };
    const credentials = "/config/credentials.json";
    expect(parse(hive, environment)).to.deep.equal({
      serve: { ...common, address, credentials, token: "t", ticket: "k" },
    });
    expect(parse([...hive, "--credentials", "f"], environment)).to.deep.equal({
      serve: { ...common, address, credentials: "f", token: undefined, ticket: undefined },
    });
    expect(parse([...hive, "--token", "a", "--ticket", "b"], environment)).to.deep.equal({
      serve: { ...common, address, credentials, token: "a", ticket: "b" },
    });
    expect(parse(["serve", "--hive", "[::1]:5"])).to.have.nested.property("serve.address").that.deep.equals({ host: "::1", port: 5 }); // prettier-ignore
  });

  it("has a help and a version", () => {
    expect(parse(["--version"])).to.deep.equal({ print: "1.2.3\n", status: 0 });
    for (const [args, text] of [
      [["--help"], "Usage: gpu-bridge list|serve|job|result"],
      [["list", "--help"], "Usage: gpu-bridge list [options]"],
      [["serve", "-h"], "mount gpu-bridge /gpu"],
    ] as const) {
      expect(parse(args)).to.have.property("print").that.contains(text);
    }
    expect(parse([]))
      .to.have.property("complain")
      .that.matches(/^gpu-bridge: there must be a command.\n\nUsage: /);
  });

  for (const [args, sentence] of [
    [["lease"], '"lease" is no command; list, serve, job and result are.'],
    [["list", "GPU-0"], "too many arguments. Expected 0 arguments but got 1."],
    [["list", "--backend", "cuda"], "option '--backend <name>' argument 'cuda' is invalid. Allowed choices are nvml, cpu, mock."],
    [["list", "--mock", "--backend", "cpu"], "--mock and --backend must not both be there."],
    [["serve", "--mock"], "required option '--hive <host:port>' not specified."],
    [["serve", "--hive", "here"], "--hive takes a host and a port like 127.0.0.1:31337."],
    [["serve", "--hive", "here:0"], "--hive takes a host and a port like 127.0.0.1:31337."],
    [["serve", "--hive", "a b:1"], "--hive takes a host and a port like 127.0.0.1:31337."],
    [["serve", "--hive", "h:1", "--token", "x"], "--token and --ticket go together."],
    [["serve", "--hive", "h:1", "--ticket", "x"], "--token and --ticket go together."],
    [["serve", "--hive", "h:1", "--token", "x", "--ticket", "y", "--credentials", "z"], "--credentials is for itself, without --token."],
  ] as const) {
    it(`${args.join(" ")} is refused`, () => {
      expect(parse(args)).to.deep.equal({ complain: `gpu-bridge: ${sentence}`, status: 2 });
    });
  } // prettier-ignore
});
