/** One filter of a strip, enlarged without smoothing. */

import { useEffect, useRef } from "preact/hooks";

import type { FilterStrip } from "../contract";
import { bitmap } from "../files";

export function FilterView({ strip, index, label }: { strip: FilterStrip; index: number; label?: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let wanted = true;
    void bitmap(strip.file).then((sheet) => {
      if (!wanted || !canvas.current) return;
      const { side, columns } = strip;
      canvas.current.width = canvas.current.height = side;
      const pen = canvas.current.getContext("2d")!;
      pen.drawImage(sheet, (index % columns) * side, Math.floor(index / columns) * side, side, side, 0, 0, side, side);
    });
    return () => {
      wanted = false;
    };
  }, [strip.file, index]);
  return label ? <canvas ref={canvas} class="square pixels" role="img" aria-label={label} /> : <canvas ref={canvas} class="square pixels" aria-hidden="true" />;
}
