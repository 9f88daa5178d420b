/** What a visitor has broken, and the values of the graph's switches that this means. */

import type { Net } from "../contract";
import { ones, type Changes } from "../network";
import { part } from "../parts/squares";
import type { Square } from "../pictures";

export interface Damage {
  /** Devices that are off. */
  devices: number[];
  normalisation: boolean;
  /** Dropout as while learning; the number is the draw. null: as in a test. */
  dropout: number | null;
  /** Filters that are off, by layer. */
  filters: Record<string, number[]>;
  /** Pixels to the right and down. */
  shift: { x: number; y: number };
  /** A grey patch over the network's square, in its pixels. */
  cover: { x: number; y: number; side: number } | null;
}

export const WHOLE: Damage = { devices: [], normalisation: true, dropout: null, filters: {}, shift: { x: 0, y: 0 }, cover: null };

/** A generator that gives the same numbers for the same seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export function changes(net: Net, damage: Damage): Changes {
  const out: Changes = {};
  const draw = random(damage.dropout ?? 0);
  const off = new Set(net.devices.filter((device) => damage.devices.includes(device.id)).flatMap((device) => device.masks));
  for (const item of net.switches) {
    const value = ones(item);
    if (item.kind === "mask") {
      if (off.has(item.input)) value.fill(0);
      for (const index of damage.filters[item.layer] ?? []) value[index] = 0;
    } else if (item.kind === "normalisation" && !damage.normalisation) {
      value.fill(0);
    } else if (item.kind === "dropout" && damage.dropout !== null) {
      const keep = item.keep ?? 1;
      value.forEach((_, i) => (value[i] = draw() < keep ? 1 / keep : 0));
    }
    out[item.input] = value;
  }
  return out;
}

/** The network's square after it was moved and covered; what moves in from outside is grey. */
export function damagedSquare(stored: Square, side: number, damage: Damage): Square {
  const margin = Math.floor((stored.side - side) / 2);
  const moved = part(stored, margin - damage.shift.x, margin - damage.shift.y, side);
  return damage.cover ? covered(moved, damage.cover) : moved;
}

export function covered(square: Square, { x, y, side }: { x: number; y: number; side: number }): Square {
  const pixels = new Uint8ClampedArray(square.pixels);
  for (let row = Math.max(0, y); row < Math.min(square.side, y + side); row++) {
    for (let column = Math.max(0, x); column < Math.min(square.side, x + side); column++) {
      pixels.fill(128, (row * square.side + column) * 4, (row * square.side + column) * 4 + 3);
    }
  }
  return { side: square.side, pixels };
}

export const isWhole = (damage: Damage): boolean =>
  !damage.devices.length &&
  damage.normalisation &&
  damage.dropout === null &&
  Object.values(damage.filters).every((list) => !list.length) &&
  damage.shift.x === 0 &&
  damage.shift.y === 0 &&
  !damage.cover;
