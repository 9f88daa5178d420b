import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";

import type { Changes, Values } from "../network";
import { planes } from "../pictures";
import type { Square } from "../pictures";
import { network } from "../state";

/** Tensors of the picture that the network sees, computed anew whenever something changes; null until the first are there. */
export function useTensors(seen: Square | null, tensors: string[], changes: Changes = {}, key = ""): Record<string, Values> | null {
  const [values, setValues] = useState<Record<string, Values> | null>(null);
  const engine = network.value;
  useEffect(() => {
    if (!engine || !seen) return;
    let wanted = true;
    void engine.run(planes([seen]), tensors, changes).then((given) => wanted && setValues(given));
    return () => {
      wanted = false;
    };
  }, [engine, seen, tensors.join(" "), key]);
  return values;
}

/** Whether the page is at least so wide for its text size, in rem; changes with the window. */
export function useWide(rem: number): boolean {
  const measure = () => innerWidth >= rem * parseFloat(getComputedStyle(document.documentElement).fontSize);
  const [wide, setWide] = useState(measure);
  useEffect(() => {
    const update = () => setWide(measure());
    addEventListener("resize", update);
    return () => removeEventListener("resize", update);
  }, [rem]);
  return wide;
}

export const prefersStill = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Width and height of an element in pixels, and the size of a rem; changes with the window. */
export function useSize(holder: RefObject<HTMLElement | null>): { width: number; height: number; rem: number } | null {
  const [size, setSize] = useState<{ width: number; height: number; rem: number } | null>(null);
  useLayoutEffect(() => {
    const measure = () => {
      const { width, height } = holder.current!.getBoundingClientRect();
      setSize({ width, height, rem: parseFloat(getComputedStyle(document.documentElement).fontSize) });
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(holder.current!);
    return () => observer.disconnect();
  }, []);
  return size;
}
