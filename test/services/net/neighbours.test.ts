import { expect } from "chai";
import { createNetCounters } from "../../../services/net/counters.ts";
import { EXPIRES_US, FRESH_US, Neighbours, NEIGHBOURS_MAX, NOT_FOUND } from "../../../services/net/neighbours.ts";

const GATEWAY = 1;

function mac(n: number): Uint8Array {
  return Uint8Array.from([2, 0, 0, 0, n >> 8, n & 0xff]);
}

describe("Neighbours", () => {
  const counters = createNetCounters().neighbours;
  let table: Neighbours;
  beforeEach(() => {
    Object.assign(counters, createNetCounters().neighbours);
    table = new Neighbours(GATEWAY, counters);
  });

  function confirm(address: number, nowUs: number): void {
    const slot = table.want(address, nowUs);
    table.noteAsked(slot, nowUs);
    expect(table.confirm(address, mac(address), 0, nowUs)).to.equal(true);
  }

  function known(address: number, nowUs: number): number[] | undefined {
    const slot = table.find(address);
    if (slot === NOT_FOUND || !table.usable(slot, nowUs)) return undefined;
    return [...table.macs.subarray(6 * slot, 6 * slot + 6)];
  }

  it("believes only replies to what was asked, once", () => {
    expect(table.confirm(9, mac(9), 0, 0)).to.equal(false);
    table.want(9, 0);
    expect(table.confirm(9, mac(9), 0, 0), "wanted, not asked").to.equal(false);
    confirm(10, 0);
    expect(known(10, 0)).to.deep.equal([...mac(10)]);
    expect(table.confirm(10, mac(66), 0, 0), "a second reply").to.equal(false);
    expect(known(10, 0)).to.deep.equal([...mac(10)]);
    expect(known(9, 0)).to.equal(undefined);
  });

  it("ages: fresh, then asked for again while used, then not used", () => {
    confirm(10, 0);
    const slot = table.find(10);
    expect(table.wanting(slot, FRESH_US - 1, 1000)).to.equal(false);
    expect(table.wanting(slot, FRESH_US, 1000)).to.equal(true);
    expect(table.usable(slot, FRESH_US)).to.equal(true);
    table.noteAsked(slot, FRESH_US);
    expect(table.wanting(slot, FRESH_US + 999, 1000)).to.equal(false);
    expect(table.wanting(slot, FRESH_US + 1000, 1000)).to.equal(true);
    expect(table.usable(slot, EXPIRES_US - 1)).to.equal(true);
    expect(table.usable(slot, EXPIRES_US)).to.equal(false);
  });

  it("does not let an offer change or prolong what was confirmed, until that has expired", () => {
    confirm(10, 0);
    table.offer(10, mac(66), 0, FRESH_US);
    expect(known(10, FRESH_US)).to.deep.equal([...mac(10)]);
    expect(counters.contradicted).to.equal(1);
    table.offer(10, mac(10), 0, EXPIRES_US - 1);
    expect(known(10, EXPIRES_US), "not prolonged").to.equal(undefined);
    table.offer(10, mac(66), 0, EXPIRES_US);
    expect(known(10, EXPIRES_US)).to.deep.equal([...mac(66)]);
  });

  it("stays bounded under offers, which displace only offers", () => {
    confirm(GATEWAY, 0);
    confirm(2, 0);
    for (let address = 100; address < 1100; address++) table.offer(address, mac(address), 0, address);
    expect(table.size()).to.equal(NEIGHBOURS_MAX);
    expect(known(GATEWAY, 1100)).to.deep.equal([...mac(GATEWAY)]);
    expect(known(2, 1100)).to.deep.equal([...mac(2)]);
    expect(known(1099, 1100)).to.deep.equal([...mac(1099)]);
    expect(known(100, 1100), "the oldest offer went").to.equal(undefined);
    expect(counters.evicted).to.equal(1000 - (NEIGHBOURS_MAX - 2));
  });

  it("refuses an offer when everything in it is better", () => {
    for (let address = 1; address <= NEIGHBOURS_MAX; address++) confirm(address, address);
    table.offer(999, mac(999), 0, 100);
    expect(table.find(999)).to.equal(NOT_FOUND);
    expect(counters.refused).to.equal(1);
  });

  it("displaces pending before offered before confirmed, the oldest first, the gateway never", () => {
    confirm(GATEWAY, 0);
    for (let address = 2; address <= NEIGHBOURS_MAX - 2; address++) confirm(address, address);
    table.offer(500, mac(5), 0, 0);
    table.want(600, 50);
    table.want(700, 60);
    expect([table.find(600), table.find(500) !== NOT_FOUND]).to.deep.equal([NOT_FOUND, true]);
    confirm(700, 61);
    table.want(800, 70);
    expect(table.find(500)).to.equal(NOT_FOUND);
    confirm(800, 71);
    table.want(900, 80);
    expect(table.find(2)).to.equal(NOT_FOUND);
    for (let address = 1000; address < 1100; address++) confirm(address, address);
    expect(known(GATEWAY, 1100)).to.deep.equal([...mac(GATEWAY)]);
    expect(table.size()).to.equal(NEIGHBOURS_MAX);
  });
});
