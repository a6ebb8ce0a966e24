/**
 * The machine's device memory: which registers answer at which physical address, seen through at most 64 windows.
 * An access reaches exactly one device with its exact width; a range with a hole in it cannot be mapped.
 */

export type Width = 1 | 2 | 4;

/** A device's registers. Offsets are multiples of the width. */
export interface MmioDevice {
  read(offset: number, width: Width): number;
  write(offset: number, width: Width, value: number): void;
}

interface Region {
  readonly base: number;
  readonly end: number;
  readonly device: MmioDevice;
}

export interface Window {
  readonly base: number;
  readonly size: number;
}

const WINDOWS_MAX = 64;

export class Bus {
  private readonly regions: Region[] = [];
  private readonly windows: (Window & { readonly only: Region | undefined })[] = [];

  attach(base: number, size: number, device: MmioDevice): void {
    this.regions.push({ base, end: base + size, device });
    this.regions.sort((a, b) => a.base - b.base);
  }

  get regionCount(): number {
    return this.regions.length;
  }

  get windowCount(): number {
    return this.windows.length;
  }

  /** @returns the window, `"hole"` if something in the range is no device, `"full"` if there are no windows left. */
  map(base: number, size: number): number | "hole" | "full" {
    const known = this.windows.findIndex((w) => w.base === base && w.size === size);
    if (known >= 0) return known;
    let covered = base;
    for (const region of this.regions) {
      if (region.base <= covered && covered < region.end) covered = region.end;
    }
    if (covered < base + size) return "hole";
    if (this.windows.length === WINDOWS_MAX) return "full";
    const first = this.find(base);
    const only = first !== undefined && base + size <= first.end ? first : undefined;
    return this.windows.push({ base, size, only }) - 1;
  }

  window(index: number): Window | undefined {
    return this.windows[index];
  }

  private find(address: number): Region | undefined {
    return this.regions.find((r) => r.base <= address && address < r.end);
  }

  private region(window: number, offset: number): Region | undefined {
    const w = this.windows[window];
    return w && (w.only ?? this.find(w.base + offset));
  }

  /** The caller has checked window, offset and alignment. */
  read(window: number, offset: number, width: Width): number {
    const region = this.region(window, offset);
    const base = this.windows[window]?.base ?? 0;
    return region ? region.device.read(base + offset - region.base, width) : 0;
  }

  write(window: number, offset: number, width: Width, value: number): void {
    const region = this.region(window, offset);
    const base = this.windows[window]?.base ?? 0;
    region?.device.write(base + offset - region.base, width, value);
  }
}
