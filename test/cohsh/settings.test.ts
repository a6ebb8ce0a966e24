import { expect } from "chai";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configFile, readConfig, readEnvironment } from "../../cohsh/settings.ts";

describe("cohsh settings", () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cohsh-settings-"));
    file = join(directory, "cohsh.toml");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const refusal = (act: () => unknown): string => {
    try {
      act();
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    return "it was taken";
  };

  describe("of the file", () => {
    it("stand in the user's configuration directory", () => {
      expect(configFile({ XDG_CONFIG_HOME: "/c", HOME: "/h" })).to.equal("/c/cohesix/cohsh.toml");
      expect(configFile({ HOME: "/h" })).to.equal("/h/.config/cohesix/cohsh.toml");
      expect(configFile({ XDG_CONFIG_HOME: "relative", HOME: "/h" })).to.equal("/h/.config/cohesix/cohsh.toml");
    });

    it("are none without it", () => {
      expect(readConfig(file)).to.deep.equal({});
      expect(readConfig(join(directory, "none", "cohsh.toml"))).to.deep.equal({});
    });

    it("are taken with their types, and paths count from its folder", () => {
      writeFileSync(
        file,
        `transport = "serial"\nserial = "line"\ntimeout = 2.5\nopen_timeout = 60\nfollow = true\nhistory = false
json = true\nlog = "/var/log/cohsh"\ncredentials = "c.json"\nsel4 = "/opt/x"\nnet = "none"\nhost = "hive.example"\nport = 4000
via = "ssh://me@bastion:2222"\nknown_hosts = "hosts"\nidentity = "/k"\n`,
      );
      expect(readConfig(file)).to.deep.equal({
        transport: "serial",
        serial: join(directory, "line"),
        timeout: 2.5,
        open_timeout: 60,
        follow: true,
        history: false,
        json: true,
        log: "/var/log/cohsh",
        credentials: join(directory, "c.json"),
        sel4: "/opt/x",
        net: "none",
        host: "hive.example",
        port: 4000,
        via: "ssh://me@bastion:2222",
        known_hosts: join(directory, "hosts"),
        identity: "/k",
      });
    });

    for (const [text, sentence] of [
      [
        "colour = true",
        "colour is no key of cohsh.toml; transport, serial, host, port, via, known_hosts, identity, timeout, open_timeout, follow, history, json, log, credentials, sel4, net are.",
      ],
      [
        'token = "t"',
        "token is no key of cohsh.toml; transport, serial, host, port, via, known_hosts, identity, timeout, open_timeout, follow, history, json, log, credentials, sel4, net are.",
      ],
      [
        "[mock]\nx = 1",
        "mock is no key of cohsh.toml; transport, serial, host, port, via, known_hosts, identity, timeout, open_timeout, follow, history, json, log, credentials, sel4, net are.",
      ],
      ['timeout = "5"', 'timeout must be a number of seconds from 0.1 to 600, not "5".'],
      ["timeout = 0", "timeout must be a number of seconds from 0.1 to 600, not 0."],
      ["timeout = inf", "timeout must be a number of seconds from 0.1 to 600, not null."],
      ["follow = 1", "follow must be true or false, not 1."],
      ['transport = "pigeon"', 'transport must be one of mock, sim, qemu, serial, tcp, not "pigeon".'],
      ['host = "a b"', 'host must be a host\'s name or address, not "a b".'],
      ["port = 0", "port must be a port from 1 to 65535, not 0."],
      ['port = "1"', 'port must be a port from 1 to 65535, not "1".'],
      ['serial = "s"\nhost = "h"', "serial and host are two ways to a hive, and no transport says which."],
      ['serial = "s"\nvia = "ssh://h"', "serial and via are two ways to a hive, and no transport says which."],
      ['via = "h"', "via must be ssh://user@host or ssh://user@host:port."],
      ["via = 22", "via must be ssh://user@host, not that."],
      ['via = "ssh://me:s3cret@h"', "via must have no password in it: keys and an agent are what ssh is given."],
      ["log = []", "log must be a path, not []."],
      ['log = ""', 'log must be a path, not "".'],
      ["json = {a = 1}", 'json must be true or false, not {"a":1}.'],
    ] as const) {
      it(`are refused by file and key: ${text}`, () => {
        writeFileSync(file, text);
        expect(refusal(() => readConfig(file))).to.equal(`${file}: ${sentence}`);
      });
    }

    it("are refused by line if they are no TOML", () => {
      writeFileSync(file, "json = true\ntimeout =\n");
      expect(refusal(() => readConfig(file))).to.match(/^.*cohsh\.toml: line 2 is no TOML: .+\.$/);
      writeFileSync(file, "__proto__ = 1\n");
      expect(refusal(() => readConfig(file))).to.include(`${file}: `);
    });

    it("are refused if they cannot be read or are too many", () => {
      mkdirSync(file);
      expect(refusal(() => readConfig(file))).to.match(/cohsh\.toml cannot be read: /);
      rmSync(file, { recursive: true });
      writeFileSync(file, "#".repeat(65_537));
      expect(refusal(() => readConfig(file))).to.equal(`${file} is longer than 65536 bytes.`);
    });
  });

  describe("of the environment", () => {
    it("are taken with their types", () => {
      expect(
        readEnvironment({
          PATH: "/bin",
          COHSH_TRANSPORT: "tcp",
          COHSH_HOST: "::1",
          COHSH_PORT: "31338",
          COHSH_TIMEOUT: "0.5",
          COHSH_OPEN_TIMEOUT: "20",
          COHSH_FOLLOW: "1",
          COHSH_HISTORY: "false",
          COHSH_CREDENTIALS: "relative",
          COHSH_TOKEN: "t0ken",
          COHSH_TICKET: `cohesix-ticket-00.${"00".repeat(32)}`,
        }),
      ).to.deep.equal({
        transport: "tcp",
        host: "::1",
        port: 31338,
        timeout: 0.5,
        open_timeout: 20,
        follow: true,
        history: false,
        credentials: "relative",
        token: "t0ken",
        ticket: `cohesix-ticket-00.${"00".repeat(32)}`,
      });
    });

    for (const [env, sentence] of [
      [{ COHSH_TIMEOUT: "soon" }, 'COHSH_TIMEOUT must be a number of seconds from 0.1 to 600, not "soon".'],
      [{ COHSH_TIMEOUT: "" }, 'COHSH_TIMEOUT must be a number of seconds from 0.1 to 600, not "".'],
      [{ COHSH_FOLLOW: "yes" }, 'COHSH_FOLLOW must be true or false, not "yes".'],
      [{ COHSH_NET: "all" }, 'COHSH_NET must be one of none, user, tap, not "all".'],
      [{ COHSH_NET: "a\u2028\u009bb" }, 'COHSH_NET must be one of none, user, tap, not "a??b".'],
      [{ COHSH_PORT: "0" }, 'COHSH_PORT must be a port from 1 to 65535, not "0".'],
      [
        { COHSH_VIA: "ssh://me:s3cret@h" },
        "COHSH_VIA must have no password in it: keys and an agent are what ssh is given.",
      ],
      [{ COHSH_VIA: "ssh://h:0" }, "COHSH_VIA has a port that is none from 1 to 65535."],
      [{ COHSH_VIA: "ssh://h", COHSH_TRANSPORT: "sim" }, "COHSH_VIA is for COHSH_TRANSPORT=tcp, not sim."],
      [{ COHSH_HOST: "h", COHSH_TRANSPORT: "sim" }, "COHSH_HOST is for COHSH_TRANSPORT=tcp, not sim."],
      [
        { COHSH_SERIAL: "/x", COHSH_PORT: "1" },
        "COHSH_SERIAL and COHSH_PORT are two ways to a hive, and no COHSH_TRANSPORT says which.",
      ],
      [{ COHSH_SERIAL: "/x", COHSH_TRANSPORT: "sim" }, "COHSH_SERIAL is for COHSH_TRANSPORT=serial, not sim."],
    ] as const) {
      it(`are refused by name: ${JSON.stringify(env)}`, () => {
        expect(refusal(() => readEnvironment(env))).to.equal(sentence);
      });
    }

    it("are refused by name if there is none such", () => {
      for (const name of ["COHSH_TRANSPROT", "COHSH_timeout", "COHSH_", "COHSH_CONSTRUCTOR"]) {
        expect(refusal(() => readEnvironment({ [name]: "x" }))).to.match(
          new RegExp(`^${name} is no variable of cohsh; COHSH_TRANSPORT, .*COHSH_TOKEN, COHSH_TICKET are\\.$`),
        );
      }
    });

    it("never show a secret", () => {
      expect(refusal(() => readEnvironment({ COHSH_TOKEN: "s3cret with blanks" }))).to.equal(
        "COHSH_TOKEN must be 1 to 255 visible ASCII characters.",
      );
      expect(refusal(() => readEnvironment({ COHSH_TICKET: "s3cret" }))).to.equal("COHSH_TICKET is not a ticket.");
      expect(refusal(() => readEnvironment({ COHSH_NET: "cohesix-ticket-00.11" }))).to.equal(
        'COHSH_NET must be one of none, user, tap, not "***".',
      );
    });
  });
});
