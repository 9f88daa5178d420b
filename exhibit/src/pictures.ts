/**
 * From any picture to the network's input: shorter side to `stored`, centre square, then a view of `side` pixels.
 *
 * Shrinking uses a triangle as wide as the reduction asks, as the pictures for training were shrunk; what is already
 * `stored` or `side` pixels square is taken as it is.
 */

import type { Input } from "./contract";

/** A square picture: RGBA, 0..255, row by row. */
export interface Square {
  side: number;
  pixels: Uint8ClampedArray;
}

/** Why a visitor's picture cannot be used; the key of a text. */
export class BadPicture extends Error {
  constructor(readonly key: "picture.broken" | "picture.kind" | "picture.huge") {
    super(key);
  }
}

const LARGEST_BYTES = 60_000_000;
const LARGEST_PIXELS = 100_000_000;
/** Browsers decode more than this slowly; a larger picture is reduced while it is drawn. */
const WORKING_SIDE = 1024;

/** Decode a visitor's file; raises BadPicture. */
export async function decodeFile(file: Blob): Promise<ImageBitmap> {
  if (file.type && !file.type.startsWith("image/")) throw new BadPicture("picture.kind");
  if (file.size > LARGEST_BYTES) throw new BadPicture("picture.huge");
  let decoded: ImageBitmap;
  try {
    decoded = await createImageBitmap(file);
  } catch {
    throw new BadPicture("picture.broken");
  }
  if (decoded.width * decoded.height > LARGEST_PIXELS) {
    decoded.close();
    throw new BadPicture("picture.huge");
  }
  const longest = Math.max(decoded.width, decoded.height);
  if (longest <= WORKING_SIDE) return decoded;
  const scale = WORKING_SIDE / longest;
  const width = Math.max(1, Math.round(decoded.width * scale));
  const height = Math.max(1, Math.round(decoded.height * scale));
  const smaller = await createImageBitmap(decoded, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  decoded.close();
  return smaller;
}

type Source = ImageBitmap | HTMLVideoElement | HTMLCanvasElement;

const size = (source: Source): [number, number] =>
  source instanceof HTMLVideoElement ? [source.videoWidth, source.videoHeight] : [source.width, source.height];

const workbench = document.createElement("canvas");

/** The centre square of a picture, as large as the picture allows up to `limit` pixels. */
export function centreSquare(source: Source, limit: number, mirrored = false): Square {
  const [width, height] = size(source);
  const short = Math.min(width, height);
  const side = Math.min(short, limit);
  workbench.width = workbench.height = side;
  const pen = workbench.getContext("2d", { willReadFrequently: true })!;
  pen.imageSmoothingQuality = "high";
  pen.fillStyle = "#808080"; // under transparent pictures
  pen.fillRect(0, 0, side, side);
  if (mirrored) pen.setTransform(-1, 0, 0, 1, side, 0);
  pen.drawImage(source, (width - short) / 2, (height - short) / 2, short, short, 0, 0, side, side);
  return { side, pixels: pen.getImageData(0, 0, side, side).data };
}

/** A square piece of a picture at (x, y), as `wanted` pixels. */
export function cut(source: Source, x: number, y: number, side: number, wanted: number): Square {
  workbench.width = workbench.height = side;
  const pen = workbench.getContext("2d", { willReadFrequently: true })!;
  pen.drawImage(source, x, y, side, side, 0, 0, side, side);
  return resize({ side, pixels: pen.getImageData(0, 0, side, side).data }, wanted);
}

/** Weights of a triangle filter from `from` to `to` pixels: for each output its first input and the shares. */
function taps(from: number, to: number): { first: number; shares: number[] }[] {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach));
    const last = Math.min(from, Math.ceil(centre + reach));
    const raw = Array.from({ length: last - first }, (_, k) => Math.max(0, 1 - Math.abs(first + k + 0.5 - centre) / reach));
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, shares: raw.map((value) => value / sum) };
  });
}

export function resize(square: Square, side: number): Square {
  if (square.side === side) return square;
  const from = square.side;
  const table = taps(from, side);
  const rows = new Float32Array(from * side * 4);
  for (let y = 0; y < from; y++) {
    table.forEach(({ first, shares }, x) => {
      for (let c = 0; c < 4; c++) {
        let sum = 0;
        for (let k = 0; k < shares.length; k++) sum += shares[k]! * square.pixels[(y * from + first + k) * 4 + c]!;
        rows[(y * side + x) * 4 + c] = sum;
      }
    });
  }
  const pixels = new Uint8ClampedArray(side * side * 4);
  table.forEach(({ first, shares }, y) => {
    for (let i = 0; i < side * 4; i++) {
      let sum = 0;
      for (let k = 0; k < shares.length; k++) sum += shares[k]! * rows[(first + k) * side * 4 + i]!;
      pixels[y * side * 4 + i] = sum;
    }
  });
  return { side, pixels };
}

/** The stored square of a picture; what is stored, or is the network's square itself, stays as it is. */
export function store(source: Source, input: Input, mirrored = false): Square {
  const [width, height] = size(source);
  if (width === height && (width === input.side || width === input.stored)) return centreSquare(source, width, mirrored);
  return resize(centreSquare(source, 4 * input.stored, mirrored), input.stored);
}

/** A view of a stored square: pixels moved by (x, y) into the network's square, mirrored if `flip`. */
export function view(stored: Square, side: number, at: { x: number; y: number; flip: boolean }): Square {
  if (stored.side === side && !at.flip) return stored;
  const room = stored.side - side;
  const left = Math.min(Math.max(at.x, 0), room);
  const top = Math.min(Math.max(at.y, 0), room);
  const pixels = new Uint8ClampedArray(side * side * 4);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const from = ((top + y) * stored.side + left + (at.flip ? side - 1 - x : x)) * 4;
      pixels.set(stored.pixels.subarray(from, from + 4), (y * side + x) * 4);
    }
  }
  return { side, pixels };
}

/** Planes R, G, B of several squares, as the graph reads them. */
export function planes(squares: Square[]): Float32Array {
  const count = squares[0]!.side ** 2;
  const out = new Float32Array(squares.length * 3 * count);
  squares.forEach((square, n) => {
    for (let c = 0; c < 3; c++) {
      const start = (n * 3 + c) * count;
      for (let i = 0; i < count; i++) out[start + i] = square.pixels[i * 4 + c]!;
    }
  });
  return out;
}

/** The ten views of a picture, or the only one where it has no room for more. */
export function views(stored: Square, input: Input): Square[] {
  const wanted = stored.side > input.side ? input.views : input.views.slice(0, 1);
  return wanted.map((at) => view(stored, input.side, at));
}

export const centreView = (stored: Square, input: Input): Square => view(stored, input.side, input.views[0]!);
