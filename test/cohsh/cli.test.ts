import { expect } from "chai";
import { parseCommandLine } from "../../cohsh/cli.ts";

function run(...args: string[]) {
  const invocation = parseCommandLine(args, "1.2.3");
  if (!("run" in invocation)) throw new Error(JSON.stringify(invocation));
  return invocation.run;
}

describe("cohsh command line", () => {
  it("has defaults for everything", () => {
    expect(run()).to.deep.equal({
      transport: "mock",
      commands: [],
      timeoutMs: 5000,
      openTimeoutMs: 180_000,
      follow: false,
      history: true,
      sel4: undefined,
      net: undefined,
    });
  });

  it("takes every option, and -c as often as it is given, in order", () => {
    expect(
      run(
        ...["-t", "qemu", "-c", "ping", "--command", "help", "--timeout", "0.5", "--open-timeout", "20"],
        ...["-f", "--no-history", "--sel4", "/opt/x", "--net", "none"],
      ),
    ).to.deep.equal({
      transport: "qemu",
      commands: ["ping", "help"],
      timeoutMs: 500,
      openTimeoutMs: 20_000,
      follow: true,
      history: false,
      sel4: "/opt/x",
      net: "none",
    });
  });

  it("prints its version and its help", () => {
    expect(parseCommandLine(["--version"], "1.2.3")).to.deep.equal({ print: "1.2.3\n", status: 0 });
    const help = parseCommandLine(["--help"], "1.2.3");
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
      "cohsh: option '-t, --transport <name>' argument 'carrier-pigeon' is invalid. Allowed choices are mock, sim, qemu.",
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
    [["--sel4", "/x"], "cohsh: --sel4 is for --transport qemu, not mock."],
    [["-t", "sim", "--net", "user"], "cohsh: --net is for --transport qemu, not sim."],
  ] as const) {
    it(`refuses ${args.join(" ")} with one line and status 2`, () => {
      expect(parseCommandLine(args, "1.2.3")).to.deep.equal({ complain: sentence, status: 2 });
    });
  }
});
