/** What the units of a layer hand on, as grey pictures: dark is nothing, bright is a strong response. */

import { useEffect, useRef } from "preact/hooks";

import type { Values } from "../network";

/** One map of a layer: [H, W] values of map `index` of the first picture. */
export interface Plane {
  width: number;
  height: number;
  data: Float32Array;
}

export function plane(values: Values, index: number): Plane {
  const [, , height = 1, width = 1] = values.dims;
  return { width, height, data: values.data.subarray(index * width * height, (index + 1) * width * height) };
}

/** Least and greatest value of a whole layer: all of its maps are drawn on one scale. */
export function range(values: Values): [number, number] {
  let [least, most] = [0, 1e-12];
  for (const value of values.data) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return [least, most];
}

/** From black by the lane's colour to white. */
function shade(value: number, [least, most]: [number, number], colour: [number, number, number], out: Uint8ClampedArray, at: number): void {
  const level = Math.sqrt(Math.max(0, value - Math.max(least, 0)) / (most - Math.max(least, 0) || 1));
  const below = least < 0 && value < 0 ? Math.sqrt(value / least) : 0;
  for (let c = 0; c < 3; c++) {
    out[at + c] = level < 0.6 ? (colour[c]! * level) / 0.6 : colour[c]! + ((255 - colour[c]!) * (level - 0.6)) / 0.4;
  }
  if (below > 0) [out[at], out[at + 1], out[at + 2]] = [90 * below, 60 * below, 160 * below];
  out[at + 3] = 255;
}

export const LANE_COLOURS: Record<number, [number, number, number]> = { [-1]: [220, 220, 220], 0: [255, 190, 85], 1: [95, 208, 230] };

export function MapView({ map, scale, device, label }: { map: Plane; scale: [number, number]; device: number; label?: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const { width, height, data } = map;
    const pixels = new Uint8ClampedArray(width * height * 4);
    const colour = LANE_COLOURS[device] ?? LANE_COLOURS[-1]!;
    data.forEach((value, i) => shade(value, scale, colour, pixels, i * 4));
    canvas.current!.width = width;
    canvas.current!.height = height;
    canvas.current!.getContext("2d")!.putImageData(new ImageData(pixels, width, height), 0, 0);
  }, [map.data, scale[0], scale[1], device]);
  return label ? <canvas ref={canvas} class="square pixels" role="img" aria-label={label} /> : <canvas ref={canvas} class="square pixels" aria-hidden="true" />;
}
