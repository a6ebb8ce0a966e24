import { expect } from "chai";
import { destinationText, readDestination } from "../../../cohsh/ssh/destination.ts";

describe("where --via leads", () => {
  for (const [text, user, host, port, shown] of [
    ["ssh://me@bastion", "me", "bastion", 22, "ssh://me@bastion"],
    ["ssh://bastion", undefined, "bastion", 22, "ssh://bastion"],
    ["ssh://bastion/", undefined, "bastion", 22, "ssh://bastion"],
    ["SSH://me@Bastion.Example:22", "me", "Bastion.Example", 22, "ssh://me@Bastion.Example"],
    ["ssh://me@bastion:2222", "me", "bastion", 2222, "ssh://me@bastion:2222"],
    ["ssh://me@[::1]:2222", "me", "::1", 2222, "ssh://me@[::1]:2222"],
    ["ssh://[fe80::1%eth0]", undefined, "fe80::1%eth0", 22, "ssh://[fe80::1%eth0]"],
    ["ssh://[fe80::1]", undefined, "fe80::1", 22, "ssh://[fe80::1]"],
    ["ssh://me%40corp@10.0.0.1", "me@corp", "10.0.0.1", 22, "ssh://me%40corp@10.0.0.1"],
    ["ssh://me@corp@host", "me@corp", "host", 22, "ssh://me%40corp@host"],
  ] as const) {
    it(`reads ${text}`, () => {
      const read = readDestination(text);
      expect(read).to.deep.equal({ user, host, port });
      if (!("mistake" in read)) expect(destinationText(read)).to.equal(shown);
    });
  }

  for (const [text, mistake] of [
    ["", /^must be ssh:\/\/user@host or /],
    ["bastion", /^must be ssh:/],
    ["me@bastion:22", /^must be ssh:/],
    ["ssh:bastion", /^must be ssh:/],
    ["http://bastion", /^goes by ssh alone: ssh:/],
    ["sftp://me@bastion", /^goes by ssh alone: ssh:/],
    ["ssh://me:s3cret@bastion", /^must have no password in it: [a-z ,]+$/],
    ["ssh://:s3cret@bastion", /^must have no password in it: [a-z ,]+$/],
    ["ssh://me:s3cret@bastion:99999/x", /^must have no password in it: [a-z ,]+$/],
    ["ssh://bastion/etc", /^names a host, and must have nothing behind it$/],
    ["ssh://bastion?x", /^names a host, and must have nothing/],
    ["ssh://bastion#x", /^names a host, and must have nothing/],
    ["ssh://bastion:", /^has a port that is none/],
    ["ssh://bastion:0", /^has a port that is none/],
    ["ssh://bastion:65536", /^has a port that is none/],
    ["ssh://bastion:ssh", /^has a port that is none/],
    ["ssh://@bastion", /^has a user that is none$/],
    ["ssh://-oProxyCommand=x@bastion", /^has a user that is none$/],
    ["ssh://%zz@bastion", /^has a user that is none$/],
    ["ssh://a%0Ab@bastion", /^has a user that is none$/],
    ["ssh://", /^has a host that is none$/],
    ["ssh://me@", /^has a host that is none$/],
    ["ssh://a b", /^has a host that is none$/],
    ["ssh://[10.0.0.1]", /^has a host that is none$/],
    ["ssh://::1", /^has an IPv6 address without brackets/],
    [`ssh://${"a".repeat(400)}`, /^is longer than 400 characters$/],
  ] as const) {
    it(`refuses ${text.slice(0, 40)}`, () => {
      const read = readDestination(text);
      expect("mistake" in read ? read.mistake : "it was taken")
        .to.match(mistake)
        .and.not.include("s3cret");
    });
  }
});
