/** PL031 real-time clock (ARM DDI 0224): seconds since 1970, settable, with one alarm. */
import type { MmioDevice } from "../bus.ts";
import type { DeviceTimer, Schedule, SimClock } from "../clock.ts";

const DR = 0x00;
const MR = 0x04;
const LR = 0x08;
const CR = 0x0c;
const IMSC = 0x10;
const RIS = 0x14;
const MIS = 0x18;
const ICR = 0x1c;
const ID_FIRST = 0xfe0;
const ID = [0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1] as const;

export class Pl031 implements MmioDevice {
  private readonly clock: SimClock;
  private readonly irq: (high: boolean) => void;
  private readonly alarm: DeviceTimer;
  /** Counter minus the machine's seconds. */
  private offset: number;
  private match = 0;
  private load = 0;
  private mask = 0;
  private raw = 0;

  /** @param unixSeconds the time of day when the machine starts. */
  constructor(unixSeconds: number, clock: SimClock, schedule: Schedule, irq: (high: boolean) => void) {
    this.clock = clock;
    this.irq = irq;
    this.offset = unixSeconds;
    this.alarm = schedule.add(() => {
      this.raw = 1;
      this.update();
    });
  }

  private get counter(): number {
    return (this.offset + Math.floor(this.clock.nowUs() / 1e6)) >>> 0;
  }

  private arm(): void {
    const ahead = (this.match - this.counter) >>> 0;
    const nowSeconds = Math.floor(this.clock.nowUs() / 1e6);
    this.alarm.deadline = (nowSeconds + ahead) * 1e6;
  }

  private update(): void {
    this.irq((this.raw & this.mask) !== 0);
  }

  read(offset: number): number {
    switch (offset) {
      case DR:
        return this.counter;
      case MR:
        return this.match;
      case LR:
        return this.load;
      case CR:
        return 1;
      case IMSC:
        return this.mask;
      case RIS:
        return this.raw;
      case MIS:
        return this.raw & this.mask;
      default:
        return offset >= ID_FIRST && offset % 4 === 0 ? (ID[(offset - ID_FIRST) / 4] ?? 0) : 0;
    }
  }

  write(offset: number, _width: number, value: number): void {
    if (offset === MR) {
      this.match = value >>> 0;
      this.arm();
    } else if (offset === LR) {
      this.load = value >>> 0;
      this.offset = this.load - Math.floor(this.clock.nowUs() / 1e6);
      this.arm();
    } else if (offset === IMSC) {
      this.mask = value & 1;
      this.update();
    } else if (offset === ICR && value & 1) {
      this.raw = 0;
      this.update();
    }
  }
}
