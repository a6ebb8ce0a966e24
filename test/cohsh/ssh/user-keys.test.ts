import { expect } from "chai";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SshOptions } from "../../../cohsh/ssh/connection.ts";
import { SshTunnel } from "../../../cohsh/ssh/tunnel.ts";
import { ConnectError } from "../../../cohsh/transports/tcp-connection.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";
import { Agent, makeKey, needsSshd, Sshd } from "./sshd.ts";

describe("who is let in by an ssh server", function () {
  needsSshd(this);
  this.timeout(20_000);
  let sshd: Sshd;
  let folder: string;
  let known: string;
  let agents: Agent[];
  let homeBefore: string | undefined;
  const tunnels: SshTunnel[] = [];
  const servers: Sshd[] = [];

  before(async () => (sshd = await Sshd.start()));
  after(() => sshd.end());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cohsh-keys-"));
    known = join(folder, "known_hosts");
    writeFileSync(known, sshd.knownLine);
    agents = [];
    homeBefore = process.env["HOME"];
    process.env["HOME"] = folder;
    mkdirSync(join(folder, ".ssh"));
  });
  afterEach(async () => {
    process.env["HOME"] = homeBefore;
    for (const tunnel of tunnels.splice(0)) tunnel.close();
    for (const agent of agents) await agent.end();
    for (const server of servers.splice(0)) await server.end();
    rmSync(folder, { recursive: true });
  });

  async function agent(...files: string[]): Promise<string> {
    const started = await Agent.start(mkdtempSync(join(folder, "agent-")));
    agents.push(started);
    for (const file of files) started.add(file);
    return started.socket;
  }

  function key(name: string, passphrase = ""): string {
    const file = join(folder, name);
    makeKey(file, "ed25519", passphrase);
    return file;
  }

  /** What is said of that; "" if it goes through to where nobody listens. */
  async function said(options: Partial<SshOptions>, server = sshd): Promise<string> {
    const { user, port } = server;
    const way = { user, host: "127.0.0.1", port, knownHosts: known, identity: undefined, agent: undefined };
    const tunnel = new SshTunnel({ ...way, ...options });
    tunnels.push(tunnel);
    try {
      (await tunnel.dial({ host: "127.0.0.1", port: await freePort() }, AbortSignal.timeout(8000))).destroy();
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      if (error.kind === "absent") return "";
      expect(error.kind).to.equal("final");
      return error.message;
    }
    return "somebody listens there";
  }

  /** The right key, in a place of its own. */
  function rightKey(file: string): string {
    writeFileSync(file, readFileSync(sshd.userKey), { mode: 0o600 });
    writeFileSync(`${file}.pub`, readFileSync(`${sshd.userKey}.pub`));
    return file;
  }

  const denied = (server = sshd): string => `ssh: 127.0.0.1:${server.port} lets nobody in as ${server.user}: `;

  it("is one whose file says so, wherever it is", async () => {
    expect(await said({ identity: rightKey(join(folder, "mine")) })).to.equal("");
  });

  for (const name of ["id_ed25519", "id_ecdsa", "id_rsa"]) {
    it(`is one with the right key in ~/.ssh/${name}, with or without an agent that does not know it`, async () => {
      rightKey(join(folder, ".ssh", name));
      expect(await said({})).to.equal("");
      expect(await said({ agent: await agent(key("another")) })).to.equal("");
    });
  }

  it("is one whose agent holds the right key, among others", async () => {
    expect(await said({ agent: await agent(key("one"), sshd.userKey, key("two")) })).to.equal("");
  });

  it("is nobody with a wrong key, and is told which were shown", async () => {
    const wrong = key("wrong");
    expect(await said({ identity: wrong })).to.equal(
      `${denied()}it takes none of ${wrong}; SSH_AUTH_SOCK names no agent`,
    );
    makeKey(join(folder, ".ssh", "id_ed25519"));
    expect(await said({ agent: await agent(wrong) })).to.equal(
      `${denied()}it takes none of ssh-ed25519 "a test's" of the agent, ${join(folder, ".ssh", "id_ed25519")}`,
    );
  });

  it("is nobody without a key, and is told where one was looked for", async () => {
    const none = `${join(folder, ".ssh")} has none of id_ed25519, id_ecdsa, id_rsa`;
    expect(await said({})).to.equal(`${denied()}there is no key to show; SSH_AUTH_SOCK names no agent; ${none}`);
    expect(await said({ agent: await agent() })).to.equal(
      `${denied()}there is no key to show; the agent holds no key; ${none}`,
    );
    expect(await said({ agent: join(folder, "gone") })).to.equal(
      `${denied()}there is no key to show; the agent at ${join(folder, "gone")} does not answer; ${none}`,
    );
  });

  it("is told of the agent where a key is encrypted", async () => {
    const file = key("secret", "a passphrase");
    expect(await said({ identity: file })).to.equal(
      `ssh: ${file} is encrypted, and its passphrase is not asked for here: give it to an agent with ssh-add ${file}; ` +
        "SSH_AUTH_SOCK names no agent",
    );
    const usual = join(folder, ".ssh", "id_ed25519");
    makeKey(usual, "ed25519", "a passphrase");
    expect(await said({})).to.equal(
      `${denied()}there is no key to show; SSH_AUTH_SOCK names no agent; ${usual} is encrypted, and its passphrase is not ` +
        `asked for here: give it to an agent with ssh-add ${usual}`,
    );
  });

  it("is shown to be by an agent where the chosen file is encrypted or the public half, and by no other key of it", async () => {
    const file = join(folder, "secret");
    makeKey(file, "ed25519", "a passphrase");
    writeFileSync(`${file}.pub`, readFileSync(`${sshd.userKey}.pub`));
    const socket = await agent(key("other"), sshd.userKey);
    expect(await said({ identity: file, agent: socket })).to.equal("");
    expect(await said({ identity: `${file}.pub`, agent: socket })).to.equal("");
    const other = key("lone");
    expect(await said({ identity: other, agent: socket })).to.equal(`${denied()}it takes none of ${other}`);
    expect(await said({ identity: `${other}.pub`, agent: socket })).to.equal(
      `ssh: ${other}.pub is a public key that no agent holds`,
    );
  });

  it("is not shown by a file that is of no use", async () => {
    const [missing, nonsense, shared] = ["missing", "nonsense", "shared"].map((name) => join(folder, name));
    writeFileSync(nonsense ?? "", "nonsense");
    chmodSync(rightKey(shared ?? ""), 0o644);
    const agentNote = "; SSH_AUTH_SOCK names no agent";
    expect(await said({ identity: missing })).to.equal(`ssh: ${missing} is not there${agentNote}`);
    expect(await said({ identity: nonsense })).to.equal(`ssh: ${nonsense} is no key that can be used here${agentNote}`);
    expect(await said({ identity: shared })).to.equal(
      `ssh: ${shared} can be read by others, so nobody should be let in by it: chmod 600 ${shared}${agentNote}`,
    );
  });

  it("is told to show one key alone where a server has seen enough of them", async () => {
    const server = await Sshd.start({ config: ["MaxAuthTries 2"] });
    servers.push(server);
    writeFileSync(known, server.knownLine);
    const socket = await agent(key("one"), key("two"), key("three"), server.userKey);
    expect(await said({ agent: socket }, server))
      .to.match(/ says "Too many authentication failures" and lets nobody in as /)
      .and.match(/; --identity FILE shows one key alone$/);
    expect(await said({ agent: socket, identity: server.userKey }, server)).to.equal("");
  });

  it("is told what else is wanted than a key", async () => {
    const server = await Sshd.start({
      config: ["AuthenticationMethods publickey,password", "PasswordAuthentication yes"],
    });
    servers.push(server);
    writeFileSync(known, server.knownLine);
    expect(await said({ identity: server.userKey }, server)).to.equal(
      `ssh: 127.0.0.1:${server.port} wants more than a key of ${server.user}: password`,
    );
  });
});
