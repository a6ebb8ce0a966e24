import { expect } from "chai";
import { type Layers, parseCommandLine } from "../../cohsh/cli.ts";
import type { EnvironmentSettings, Settings } from "../../cohsh/settings.ts";

function layers(environment: EnvironmentSettings = {}, config: Settings = {}): Layers {
  return { environment: () => environment, config: () => config };
}

function parse(args: readonly string[], below = layers()) {
  return parseCommandLine(args, "1.2.3", below);
}

function run(args: readonly string[], below = layers()) {
  const invocation = parse(args, below);
  if (!("run" in invocation)) throw new Error(JSON.stringify(invocation));
  return invocation.run;
}

const DEFAULTS = {
  transport: "mock",
  serial: undefined,
  host: undefined,
  port: undefined,
  via: undefined,
  pipeline: 1,
  commands: [],
  script: undefined,
  json: false,
  log: undefined,
  timeoutMs: 5000,
  openTimeoutMs: 180_000,
  follow: false,
  history: true,
  credentials: undefined,
  token: undefined,
  ticket: undefined,
  sel4: undefined,
  net: undefined,
};

describe("cohsh command line", () => {
  it("has defaults for everything", () => {
    expect(run([])).to.deep.equal(DEFAULTS);
  });

  it("takes every option, and -c as often as it is given, in order", () => {
    expect(
      run([
        ...["-t", "qemu", "-c", "ping", "--command", "help", "--timeout", "0.5", "--open-timeout", "20", "--json"],
        ...["-f", "--no-history", "--sel4", "/opt/x", "--net", "none", "--log", "/l", "--credentials", "/c"],
      ]),
    ).to.deep.equal({
      ...DEFAULTS,
      transport: "qemu",
      commands: ["ping", "help"],
      json: true,
      log: "/l",
      timeoutMs: 500,
      openTimeoutMs: 20_000,
      follow: true,
      history: false,
      credentials: "/c",
      sel4: "/opt/x",
      net: "none",
    });
  });

  it("takes a line as the way to a hive, which has less to do to be up", () => {
    expect(run(["--serial", "/dev/ttyS0", "--script", "x.coh"])).to.include({
      transport: "serial",
      serial: "/dev/ttyS0",
      script: "x.coh",
      openTimeoutMs: 10_000,
    });
  });

  it("takes a host or a port as the way to a hive, and has a default for the other", () => {
    const tcp = { transport: "tcp", host: "127.0.0.1", port: 31337, openTimeoutMs: 10_000, pipeline: 1 };
    expect(run(["-t", "tcp"])).to.include(tcp);
    expect(run(["--host", "hive.example"])).to.include({ ...tcp, host: "hive.example" });
    expect(run(["--host", "::1", "--port", "1"])).to.include({ ...tcp, host: "::1", port: 1 });
    expect(run(["--port", "65535", "--pipeline", "8"])).to.include({ ...tcp, port: 65_535, pipeline: 8 });
    expect(run([], layers({ port: 2 }, { host: "h", serial: "/s" }))).to.include({ ...tcp, host: "h", port: 2 });
    expect(run(["-t", "mock"], layers({ host: "h" }))).to.include({ transport: "mock", host: undefined });
  });

  it("takes a host by which a hive is reached, with the files that go with it, and can be told to take none", () => {
    const via = { user: "me", host: "bastion", port: 2222, knownHosts: undefined, identity: undefined };
    const url = "ssh://me@bastion:2222";
    const tcp = { transport: "tcp", host: "127.0.0.1", port: 31337, openTimeoutMs: 30_000 };
    expect(run(["--via", url])).to.deep.include({ ...tcp, via });
    expect(run(["--via", url, "--known-hosts", "/k", "--identity", "/i"])).to.deep.include({
      ...tcp,
      via: { ...via, knownHosts: "/k", identity: "/i" },
    });
    const config = { via: url, known_hosts: "/c/k", identity: "/c/i" };
    expect(run(["--port", "4"], layers({ identity: "/e" }, config))).to.deep.include({
      ...tcp,
      port: 4,
      via: { ...via, knownHosts: "/c/k", identity: "/e" },
    });
    expect(run([], layers({ via: "ssh://other" }, config)).via).to.include({
      user: undefined,
      host: "other",
      port: 22,
    });
    expect(run(["-t", "tcp", "--no-via"], layers({}, config))).to.deep.include({
      ...tcp,
      via: undefined,
      openTimeoutMs: 10_000,
    });
    expect(run(["-t", "mock"], layers({}, config))).to.include({ transport: "mock", via: undefined });
    expect(run(["--via", url, "--open-timeout", "5"]).openTimeoutMs).to.equal(5000);
  });

  it("lets options stand above variables and those above the file", () => {
    const config = { transport: "qemu", timeout: 1, json: true, follow: true, net: "none", log: "/config" } as const;
    const environment = { timeout: 2, json: false, token: "t0ken", log: "/environment" } as const;
    expect(run([], layers({}, config))).to.include({ transport: "qemu", timeoutMs: 1000, json: true, net: "none" });
    const both = run([], layers(environment, config));
    expect(both).to.include({ timeoutMs: 2000, json: false, token: "t0ken", log: "/environment", follow: true });
    expect(run(["--timeout", "3", "--no-follow", "-t", "mock"], layers(environment, config))).to.include({
      transport: "mock",
      timeoutMs: 3000,
      follow: false,
    });
    expect(run([], layers({ history: false })).history).to.equal(false);
    expect(run(["--history"], layers({ history: false })).history).to.equal(true);
    expect(run(["--no-json"], layers({}, config)).json).to.equal(false);
  });

  it("takes the line of a lower layer only for the way that it is for", () => {
    expect(run([], layers({}, { serial: "/s" }))).to.include({ transport: "serial", serial: "/s" });
    expect(run(["-t", "sim"], layers({}, { serial: "/s" }))).to.include({ transport: "sim", serial: undefined });
    expect(run(["-t", "serial"], layers({ serial: "/s" }))).to.include({ transport: "serial", serial: "/s" });
    expect(run([], layers({ transport: "mock" }, { serial: "/s" }))).to.include({ transport: "mock" });
  });

  it("asks for a ticket, or for a script to be checked, and then reads no more than that takes", () => {
    const broken: Layers = {
      environment: () => {
        throw new Error("COHSH_X is no variable of cohsh");
      },
      config: () => ({}),
    };
    expect(parse(["--check", "x.coh"], broken)).to.deep.equal({ check: "x.coh" });
    expect(parse(["--mint-ticket", "--role", "queen"], broken)).to.deep.equal({
      complain: "cohsh: COHSH_X is no variable of cohsh.",
      status: 2,
    });
    const words =
      "--mint-ticket --role worker --subject worker-1 --ttl 1 --ops 2 --ticks 3 --mount log:/l --bandwidth 4";
    expect(
      parse(
        [...words.split(" "), "--scope", "/log:read", "--scope", "/proc:read:5"],
        layers({}, { credentials: "/c" }),
      ),
    ).to.deep.equal({
      mint: {
        ...{ role: "worker", subject: "worker-1", ttl: "1", ops: "2", ticks: "3", mount: "log:/l", bandwidth: "4" },
        scopes: ["/log:read", "/proc:read:5"],
        resumes: undefined,
        advances: undefined,
      },
      credentials: "/c",
    });
  });

  it("prints its version and its help", () => {
    expect(parse(["--version"])).to.deep.equal({ print: "1.2.3\n", status: 0 });
    const help = parse(["--help"]);
    expect(help).to.have.property("status", 0);
    for (const part of ["Usage: cohsh", "--transport", "--command", "Exit status", "docs/USERLAND_AND_CLI.md"]) {
      expect(help).to.have.property("print").that.includes(part);
    }
  });

  for (const [args, sentence] of [
    [["--bogus"], "cohsh: unknown option '--bogus'."],
    [["stray"], "cohsh: too many arguments. Expected 0 arguments but got 1."],
    [["-c"], "cohsh: option '-c, --command <line>' argument missing."],
    [
      ["-t", "carrier-pigeon"],
      "cohsh: option '-t, --transport <name>' argument 'carrier-pigeon' is invalid. Allowed choices are mock, sim, qemu, serial, tcp.",
    ],
    [
      ["--timeout", "soon"],
      "cohsh: option '--timeout <seconds>' argument 'soon' is invalid. It must be a number of seconds from 0.1 to 600.",
    ],
    [
      ["--timeout", "-1"],
      "cohsh: option '--timeout <seconds>' argument '-1' is invalid. It must be a number of seconds from 0.1 to 600.",
    ],
    [
      ["--timeout", "1e3"],
      "cohsh: option '--timeout <seconds>' argument '1e3' is invalid. It must be a number of seconds from 0.1 to 600.",
    ],
    [
      ["--open-timeout", "3601"],
      "cohsh: option '--open-timeout <seconds>' argument '3601' is invalid. It must be a number of seconds from 1 to 3600.",
    ],
    [["--script", "x", "-c", "ping"], "cohsh: --script and --command exclude each other."],
    [["--follow", "--no-follow"], "cohsh: --follow and --no-follow exclude each other."],
    [["--no-follow", "-f"], "cohsh: --follow and --no-follow exclude each other."],
    [["--json", "-c", "ping", "--no-json"], "cohsh: --json and --no-json exclude each other."],
    [["--no-history", "--history"], "cohsh: --history and --no-history exclude each other."],
    [["--check", "x", "--json"], "cohsh: --check and --json exclude each other."],
    [["--check", "x", "--mint-ticket"], "cohsh: --check and --mint-ticket exclude each other."],
    [["--check", "x", "--credentials", "y"], "cohsh: --check and --credentials exclude each other."],
    [["--mint-ticket", "--role", "queen", "-t", "sim"], "cohsh: --mint-ticket and --transport exclude each other."],
    [["--mint-ticket"], "cohsh: --mint-ticket needs --role."],
    [["--role", "queen"], "cohsh: --role is for --mint-ticket."],
    [["--scope", "/x:read"], "cohsh: --scope is for --mint-ticket."],
    [["--serial", "/x", "-t", "mock"], "cohsh: --serial is for --transport serial, not mock."],
    [["--serial", "/x", "--port", "1"], "cohsh: --serial and --port exclude each other."],
    [["--host", "h", "-t", "sim"], "cohsh: --host is for --transport tcp, not sim."],
    [["--port", "1", "-t", "serial"], "cohsh: --port is for --transport tcp, not serial."],
    [["--via", "ssh://h", "-t", "serial"], "cohsh: --via is for --transport tcp, not serial."],
    [["--via", "ssh://h", "--serial", "/x"], "cohsh: --serial and --via exclude each other."],
    [["--via", "ssh://h", "--no-via"], "cohsh: --via and --no-via exclude each other."],
    [["--check", "x", "--via", "ssh://h"], "cohsh: --check and --via exclude each other."],
    [["--via", "http://h"], "cohsh: --via goes by ssh alone: ssh://user@host or ssh://user@host:port."],
    [
      ["--via", "ssh://me:s3cret@h"],
      "cohsh: --via must have no password in it: keys and an agent are what ssh is given.",
    ],
    [["--via", "ssh://h/x"], "cohsh: --via names a host, and must have nothing behind it."],
    [["--via", "ssh://h:65536"], "cohsh: --via has a port that is none from 1 to 65535."],
    [["--identity", "/i"], "cohsh: --identity is for --transport tcp, not mock."],
    [["--identity", "/i", "--host", "h"], "cohsh: --identity is for --via."],
    [["--known-hosts", "/i", "--host", "h"], "cohsh: --known-hosts is for --via."],
    [["--host", "h", "--net", "user"], "cohsh: --net is for --transport qemu, not tcp."],
    [["--pipeline", "2"], "cohsh: --pipeline is for --transport tcp, not mock."],
    [["--pipeline", "2", "--script", "x"], "cohsh: --script and --pipeline exclude each other."],
    [
      ["--host", "a b"],
      "cohsh: option '--host <name>' argument 'a b' is invalid. It must be a host's name or address.",
    ],
    [["--port", "65536"], "cohsh: option '--port <n>' argument '65536' is invalid. It must be a port from 1 to 65535."],
    [
      ["--pipeline", "9", "-t", "tcp"],
      "cohsh: option '--pipeline <n>' argument '9' is invalid. It must be a number from 1 to 8.",
    ],
    [["-t", "serial"], "cohsh: --transport serial needs --serial with a path."],
    [["--serial", "/x", "--net", "user"], "cohsh: --net is for --transport qemu, not serial."],
    [["--sel4", "/x"], "cohsh: --sel4 is for --transport qemu, not mock."],
    [["-t", "sim", "--net", "user"], "cohsh: --net is for --transport qemu, not sim."],
  ] as const) {
    it(`refuses ${args.join(" ")} with one line and status 2`, () => {
      expect(parse(args)).to.deep.equal({ complain: sentence, status: 2 });
    });
  }
});
