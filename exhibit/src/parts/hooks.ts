import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Values } from "../network";
import { planes } from "../pictures";
import type { Square } from "../pictures";
import { network } from "../state";

/**
 * Do `task` whenever `deps` change, one at a time and the newest only: what a dragging finger asked for meanwhile is left
 * out. `task` is told by its argument whether its answer is still wanted, and does nothing that is seen where it is not.
 */
export function useNewest(task: (wanted: () => boolean) => Promise<void>, deps: unknown[]): void {
  const next = useRef<(() => Promise<void>) | null>(null);
  const busy = useRef(false);
  const turn = useRef(0);
  useEffect(() => {
    const mine = ++turn.current;
    next.current = () => task(() => turn.current === mine);
    if (!busy.current) void work();
  }, deps);
  useEffect(
    () => () => {
      turn.current = -1;
      next.current = null;
    },
    [],
  );

  async function work(): Promise<void> {
    busy.current = true;
    while (next.current) {
      const now = next.current;
      next.current = null;
      await now();
      await new Promise((resolve) => setTimeout(resolve));
    }
    busy.current = false;
  }
}

/** Tensors of the picture that the network sees, computed anew whenever something changes; null until they are there. */
export function useTensors(seen: Square | null, tensors: string[]): Record<string, Values> | null {
  const [values, setValues] = useState<Record<string, Values> | null>(null);
  const engine = network.value;
  useNewest(
    async (wanted) => {
      if (!engine || !seen) return;
      const given = await engine.run(planes([seen]), tensors);
      if (wanted()) setValues(given);
    },
    [engine, seen, tensors.join(" ")],
  );
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

/** Where a finger presses in an element, as shares of its sides; null for a mouse that only passes. */
export function pressed(event: PointerEvent & { currentTarget: HTMLElement }): [number, number] | null {
  if (event.type === "pointermove" && event.buttons === 0) return null;
  const box = event.currentTarget.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

/** The direction of an arrow key, and the page does not scroll for it. */
export function arrow(event: KeyboardEvent): [number, number] | null {
  const step = ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] } as Record<string, [number, number]>)[event.key];
  if (step) event.preventDefault();
  return step ?? null;
}

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
