/** The network as two lanes, one for each GPU of 2012, with what crosses from one to the other. */

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import type { Crossing, Layer } from "../contract";
import { useWide } from "../parts/hooks";
import { net } from "../state";
import { bytes, t } from "../words";

/** Rem that a stage needs where the picture runs from left to right; on a narrower screen it runs down. */
const STAGE_WIDTH = 3.7;

/** Layers that do their work at one rank, lane by lane; dropout and the like stand apart as in the file. */
interface Stage {
  rank: number;
  layers: Layer[];
}

function stages(layers: Layer[]): Stage[] {
  const byRank = new Map<number, Layer[]>();
  for (const layer of layers) byRank.set(layer.rank, [...(byRank.get(layer.rank) ?? []), layer]);
  return [...byRank.entries()].sort(([a], [b]) => a - b).map(([rank, items]) => ({ rank, layers: items }));
}

/** A name for a visitor: the kind of the layer and its number among its kind in the lane. */
export function layerName(layer: Layer, layers: Layer[]): string {
  if (layer.role === "picture" || layer.role === "answer") return t(`role.${layer.role}`);
  const alike = layers.filter((other) => other.role === layer.role);
  const ranks = [...new Set(alike.map((other) => other.rank))].sort((a, b) => a - b);
  const position = ranks.indexOf(layer.rank) + 1;
  return ranks.length > 1 ? t("role.numbered", { role: t(`role.${layer.role}`), number: position }) : t(`role.${layer.role}`);
}

/** Where a lane runs across the drawing: the middle for what belongs to no lane. */
const lane = (layer: Layer, lanes: number): number => (layer.device < 0 || layer.role === "answer" || lanes < 2 ? 0.5 : (layer.device + 0.5) / lanes);

interface Wire {
  key: string;
  path: string;
  from: number;
  crossing: Crossing | null;
}

interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}

function wirePath(a: Box, b: Box, across: boolean): string {
  if (across) {
    const [x1, y1, x2, y2] = [a.x + a.w, a.y + a.h / 2, b.x, b.y + b.h / 2];
    const bend = (x2 - x1) * 0.55;
    return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  }
  const [x1, y1, x2, y2] = [a.x + a.w / 2, a.y + a.h, b.x + b.w / 2, b.y];
  const bend = (y2 - y1) * 0.55;
  return `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
}

export function Lanes({ chosen, choose }: { chosen: string; choose: (name: string) => void }) {
  const { layers, crossings, devices } = net.value;
  const steps = useMemo(() => stages(layers), [layers]);
  const across = useWide(STAGE_WIDTH * steps.length);
  const lanes = devices.length;
  const holder = useRef<HTMLDivElement>(null);
  const [wires, setWires] = useState<{ width: number; height: number; all: Wire[] } | null>(null);

  useLayoutEffect(() => {
    const measure = () => setWires(measured(holder.current!, layers, crossings, across));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(holder.current!);
    return () => observer.disconnect();
  }, [layers, across]);

  return (
    <div ref={holder} class={`lanes ${across ? "across" : "down"}`} style={{ "--stages": steps.length }}>
      {devices.map((device) => (
        <span key={device.id} class={`lane-name lane-${device.id}`}>
          {t("gpu", { number: device.id + 1 })}
        </span>
      ))}
      {wires && (
        <svg class="wires" viewBox={`0 0 ${wires.width} ${wires.height}`} aria-hidden="true">
          {wires.all.map((wire) => (
            <path key={wire.key} d={wire.path} class={`wire from-${wire.from} ${wire.crossing && wire.crossing.from_device >= 0 ? "crossing" : ""}`} />
          ))}
        </svg>
      )}
      {steps.map((step, column) => {
        const sum = carried(step.layers);
        if (!sum) return null;
        const at = `${(column / steps.length) * 100}%`;
        return (
          <span key={step.rank} class="carried" style={across ? { left: at, top: "52%" } : { top: at, left: "50%" }} aria-hidden="true">
            {bytes(sum)}
          </span>
        );
      })}
      {steps.map((step, column) =>
        step.layers.map((layer) => {
          const at = lane(layer, lanes);
          const place = across ? { left: `${((column + 0.5) / steps.length) * 100}%`, top: `${10 + at * 84}%` } : { top: `${((column + 0.5) / steps.length) * 100}%`, left: `${at * 100}%` };
          return (
            <button
              key={layer.name}
              type="button"
              data-layer={layer.name}
              class={`layer role-${layer.role} on-${layer.device}`}
              style={place}
              aria-pressed={chosen === layer.name}
              aria-label={`${t(`role.${layer.role}.short`)}: ${layerName(layer, layers)}${layer.device >= 0 && layer.role !== "answer" ? `, ${t("gpu", { number: layer.device + 1 })}` : ""}`}
              onClick={() => choose(layer.name)}
            >
              {t(`role.${layer.role}.short`)}
            </button>
          );
        }),
      )}
    </div>
  );
}

function measured(holder: HTMLElement, layers: Layer[], crossings: Crossing[], across: boolean): { width: number; height: number; all: Wire[] } {
  const frame = holder.getBoundingClientRect();
  const boxes = new Map<string, Box>();
  for (const button of holder.querySelectorAll<HTMLElement>("[data-layer]")) {
    const box = button.getBoundingClientRect();
    boxes.set(button.dataset.layer!, { x: box.x - frame.x, y: box.y - frame.y, w: box.width, h: box.height });
  }
  const all: Wire[] = [];
  for (const layer of layers) {
    for (const parent of layer.parents) {
      const [a, b] = [boxes.get(parent), boxes.get(layer.name)];
      if (!a || !b) continue;
      const crossing = crossings.find((item) => item.from === parent && item.to.includes(layer.name)) ?? null;
      const from = crossing ? crossing.from_device : layer.device;
      all.push({ key: `${parent}-${layer.name}`, path: wirePath(a, b, across), from, crossing });
    }
  }
  return { width: frame.width, height: frame.height, all };
}

/** Bytes that cross between the GPUs, both ways, before these layers can begin; for one picture. */
function carried(layers: Layer[]): number {
  const names = layers.map((layer) => layer.name);
  const coming = net.value.crossings.filter((item) => item.from_device >= 0 && item.to.some((name) => names.includes(name)));
  return coming.reduce((sum, item) => sum + item.bytes, 0);
}

/** What crosses between the GPUs for one picture, in words. */
export function crossingsOf(layer: Layer): string | null {
  const coming = net.value.crossings.filter((item) => item.to.includes(layer.name) && item.from_device >= 0);
  if (!coming.length) return null;
  const sum = coming.reduce((total, item) => total + item.bytes, 0);
  return t("inside.crossing", { from: coming[0]!.from_device + 1, to: layer.device + 1, bytes: bytes(sum) });
}
