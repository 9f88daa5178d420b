/** Pictures as the page holds them: pixels, drawn into canvases without smoothing. */

import { useEffect, useRef } from "preact/hooks";

import type { Square } from "../pictures";

export function draw(canvas: HTMLCanvasElement, square: Square): void {
  canvas.width = canvas.height = square.side;
  canvas.getContext("2d")!.putImageData(new ImageData(new Uint8ClampedArray(square.pixels), square.side, square.side), 0, 0);
}

export function SquareView({ square, label, smooth = false, className = "" }: { square: Square; label: string; smooth?: boolean; className?: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => draw(canvas.current!, square), [square]);
  return <canvas ref={canvas} class={`square ${smooth ? "" : "pixels"} ${className}`} role="img" aria-label={label} />;
}

/** A part of a square, as a square of its own; what lies outside is grey. */
export function part(square: Square, left: number, top: number, side: number): Square {
  const pixels = new Uint8ClampedArray(side * side * 4).fill(128);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [sx, sy] = [left + x, top + y];
      if (sx >= 0 && sy >= 0 && sx < square.side && sy < square.side) {
        const at = (sy * square.side + sx) * 4;
        pixels.set(square.pixels.subarray(at, at + 4), (y * side + x) * 4);
      }
      pixels[(y * side + x) * 4 + 3] = 255;
    }
  }
  return { side, pixels };
}
