/** Break it: parts of the network are really switched off, the picture is really changed, and the answer is computed anew. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { Answers } from "../parts/answers";
import { FilterView } from "../parts/filter";
import { arrow, pressed, useNewest } from "../parts/hooks";
import { SquareView } from "../parts/squares";
import { PictureStrip } from "../parts/strip";
import { best, type Network } from "../network";
import { planes, type Square } from "../pictures";
import { net, network, subject } from "../state";
import { number, percent, t } from "../words";
import { changes, covered, damagedSquare, isWhole, WHOLE, type Damage } from "./damage";

type Tool = "gpu" | "filters" | "normalise" | "dropout" | "shift" | "cover";

/** The tools that this network has something for. */
function tools(): Tool[] {
  const { devices, switches } = net.value;
  const kinds = new Set(switches.map((item) => item.kind));
  const all: [Tool, boolean][] = [
    ["gpu", devices.length > 1],
    ["filters", firstLayers().length > 0],
    ["normalise", kinds.has("normalisation")],
    ["dropout", kinds.has("dropout")],
    ["shift", true],
    ["cover", true],
  ];
  return all.filter(([, there]) => there).map(([name]) => name);
}

const firstLayers = () => net.value.layers.filter((layer) => layer.filters && net.value.switches.some((item) => item.kind === "mask" && item.layer === layer.name));

interface Heat {
  grid: number;
  /** By how much the probability falls when this field is covered. */
  falls: Float32Array;
  done: number;
}

export function BreakScene() {
  const { input } = net.value;
  const offered = tools();
  const [tool, setTool] = useState<Tool>(offered[0]!);
  const [damage, setDamage] = useState<Damage>(WHOLE);
  const change = (part: Partial<Damage>) => setDamage((old) => ({ ...old, ...part }));
  const now = subject.value;
  const square = useMemo(() => (now ? damagedSquare(now.stored, input.side, damage) : null), [now, damage.shift, damage.cover]);
  const { before, after } = useBoth(now?.seen ?? null, square, damage);
  const [heat, look, forget] = useHeat(square, damage);
  useEffect(forget, [now, damage]);
  return (
    <section class="scene break">
      <header class="scene-head">
        <h1>{t("break.title")}</h1>
        <p>{t("break.lead")}</p>
      </header>
      <div class="panel break-picture">
        {square && <BreakPicture square={square} tool={tool} damage={damage} change={change} heat={heat} />}
        <PictureStrip perPage={3} />
      </div>
      <div class="panel break-answers">
        <h2>{t(isWhole(damage) ? "show.says" : "break.says")}</h2>
        {after && before && <Answers guesses={best(net.value, after)} truth={now?.truth ?? null} before={before} label={t("show.says")} />}
        {after && before && <Verdict before={before} after={after} whole={isWhole(damage)} />}
      </div>
      <div class="panel break-tools">
        <div class="buttons" role="group" aria-label={t("break.tools")}>
          {offered.map((name) => (
            <button key={name} type="button" aria-pressed={tool === name} onClick={() => setTool(name)}>
              {t(`break.tool.${name}`)}
            </button>
          ))}
        </div>
        <p>{t(`break.tool.${tool}.told`)}</p>
        <div class="tool">
          <ToolControls tool={tool} damage={damage} change={change} heat={heat} look={look} />
        </div>
        <div class="buttons">
          <button type="button" disabled={isWhole(damage)} onClick={() => setDamage(WHOLE)}>
            {t("break.mend")}
          </button>
        </div>
      </div>
    </section>
  );
}

/** Probabilities with everything whole, and with the damage. */
function useBoth(seen: Square | null, square: Square | null, damage: Damage) {
  const engine = network.value;
  const [before, setBefore] = useState<Float32Array | null>(null);
  const [after, setAfter] = useState<Float32Array | null>(null);
  useNewest(
    async (wanted) => {
      if (!engine || !seen) return;
      const [answer] = await engine.answers(planes([seen]));
      if (wanted()) setBefore(answer!);
    },
    [engine, seen],
  );
  useNewest(
    async (wanted) => {
      if (!engine || !square) return;
      const [answer] = await engine.answers(planes([square]), changes(engine.net, damage));
      if (wanted()) setAfter(answer!);
    },
    [engine, square, damage],
  );
  return { before, after };
}

function Verdict({ before, after, whole }: { before: Float32Array; after: Float32Array; whole: boolean }) {
  const [was, is] = [best(net.value, before, 1)[0]!, best(net.value, after, 1)[0]!];
  const values = { before: was.name, share: percent(was.probability), after: is.name, now: percent(is.probability) };
  const key = whole ? "break.verdict.whole" : was.class === is.class ? "break.verdict.same" : "break.verdict.changed";
  return (
    <p class="verdict" role="status">
      {t(key, values)}
    </p>
  );
}

interface ControlProps {
  tool: Tool;
  damage: Damage;
  change: (part: Partial<Damage>) => void;
  heat: Heat | null;
  look: () => void;
}

const toggled = (list: number[], item: number): number[] => (list.includes(item) ? list.filter((other) => other !== item) : [...list, item]);

function ToolControls({ tool, damage, change, heat, look }: ControlProps) {
  if (tool === "gpu") {
    return (
      <div class="buttons">
        {net.value.devices.map(({ id }) => (
          <Toggle key={id} on={damage.devices.includes(id)} label={t("break.gpu.off", { number: id + 1 })} flip={() => change({ devices: toggled(damage.devices, id) })} />
        ))}
      </div>
    );
  }
  if (tool === "normalise") return <Toggle on={!damage.normalisation} label={t("break.normalise.off")} flip={() => change({ normalisation: !damage.normalisation })} />;
  if (tool === "dropout") {
    return (
      <div class="buttons">
        <Toggle on={damage.dropout !== null} label={t("break.dropout.on")} flip={() => change({ dropout: damage.dropout === null ? 1 : null })} />
        <button type="button" disabled={damage.dropout === null} onClick={() => change({ dropout: (damage.dropout ?? 0) + 1 })}>
          {t("break.dropout.again")}
        </button>
      </div>
    );
  }
  if (tool === "filters") return <FilterToggles damage={damage} change={change} />;
  if (tool === "shift") return <Shifts damage={damage} change={change} />;
  return (
    <div class="buttons">
      <Toggle on={damage.cover !== null} label={t("break.cover.on")} flip={() => change({ cover: damage.cover ? null : firstCover() })} />
      <button type="button" onClick={look} disabled={heat !== null && heat.done < heat.grid}>
        {heat && heat.done < heat.grid ? t("break.heat.busy", { share: percent(heat.done / heat.grid) }) : t("break.heat")}
      </button>
    </div>
  );
}

function firstCover() {
  const side = Math.round(net.value.input.side / 3);
  const start = Math.round((net.value.input.side - side) / 2);
  return { x: start, y: start, side };
}

function Toggle({ on, label, flip }: { on: boolean; label: string; flip: () => void }) {
  return (
    <button type="button" aria-pressed={on} onClick={flip}>
      {label}
    </button>
  );
}

const FILTERS_PER_PAGE = 16;

function FilterToggles({ damage, change }: Pick<ControlProps, "damage" | "change">) {
  const layers = firstLayers();
  const all = layers.flatMap((layer) => Array.from({ length: layer.filters!.count }, (_, index) => ({ layer, index })));
  const [page, setPage] = useState(0);
  const pages = Math.ceil(all.length / FILTERS_PER_PAGE);
  const set = (layer: string, list: number[]) => change({ filters: { ...damage.filters, [layer]: list } });
  const every = (share: number) => {
    // A share of the filters, evenly spread, so that the same touch always does the same.
    const filters: Record<string, number[]> = {};
    for (const layer of layers) filters[layer.name] = Array.from({ length: layer.filters!.count }, (_, i) => i).filter((i) => (i * share) % 1 < share);
    change({ filters });
  };
  return (
    <>
      <div class="filter-grid">
        {all.slice(page * FILTERS_PER_PAGE, (page + 1) * FILTERS_PER_PAGE).map(({ layer, index }) => {
          const list = damage.filters[layer.name] ?? [];
          return (
            <button key={`${layer.name}-${index}`} type="button" class={`map filter-toggle on-${layer.device}`} aria-pressed={list.includes(index)} aria-label={t("break.filter", { gpu: layer.device + 1, number: index + 1 })} onClick={() => set(layer.name, toggled(list, index))}>
              <FilterView strip={layer.filters!} index={index} />
            </button>
          );
        })}
      </div>
      <div class="buttons">
        {pages > 1 && (
          <button type="button" onClick={() => setPage((page + 1) % pages)}>
            {t("break.filters.more")}
          </button>
        )}
        <button type="button" onClick={() => every(0.25)}>
          {t("break.filters.quarter")}
        </button>
        <button type="button" onClick={() => every(0.75)}>
          {t("break.filters.most")}
        </button>
      </div>
    </>
  );
}

function Shifts({ damage, change }: Pick<ControlProps, "damage" | "change">) {
  const most = Math.round(net.value.input.side / 3);
  return (
    <div class="sliders">
      {(["x", "y"] as const).map((axis) => (
        <label key={axis}>
          <span>
            {t(`break.shift.${axis}`)}: {number(damage.shift[axis])}
          </span>
          <input type="range" min={-most} max={most} value={damage.shift[axis]} onInput={(event) => change({ shift: { ...damage.shift, [axis]: Number(event.currentTarget.value) } })} />
        </label>
      ))}
    </div>
  );
}

/** The picture as the network gets it; with the cover tool a finger or the arrow keys move the patch. */
function BreakPicture({ square, tool, damage, change, heat }: { square: Square; tool: Tool; damage: Damage; change: ControlProps["change"]; heat: Heat | null }) {
  const { side } = net.value.input;
  const cover = tool === "cover" ? damage.cover : null;
  function move(x: number, y: number): void {
    if (!cover) return;
    const limit = (value: number) => Math.round(Math.min(Math.max(value, 0), side - cover.side));
    change({ cover: { ...cover, x: limit(x), y: limit(y) } });
  }
  function point(event: PointerEvent & { currentTarget: HTMLElement }): void {
    const share = pressed(event);
    if (!cover || !share) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    move(share[0] * side - cover.side / 2, share[1] * side - cover.side / 2);
  }
  function key(event: KeyboardEvent): void {
    const step = cover && arrow(event);
    if (step) move(cover.x + 2 * step[0], cover.y + 2 * step[1]);
  }
  const moving = cover ? { role: "slider" as const, tabIndex: 0, "aria-label": t("break.cover.move"), "aria-valuenow": cover.y * side + cover.x, "aria-valuemin": 0, "aria-valuemax": side * side, "aria-valuetext": t("break.cover.at", { x: cover.x, y: cover.y }) } : {};
  return (
    <div class={`framed ${cover ? "movable" : ""}`} onPointerDown={point} onPointerMove={point} onKeyDown={key} {...moving}>
      <SquareView square={square} label={t("show.seen.alt", { side })} />
      {heat && <HeatView heat={heat} />}
      {cover && <span class="frame" style={{ left: `${(cover.x / side) * 100}%`, top: `${(cover.y / side) * 100}%`, width: `${(cover.side / side) * 100}%`, height: `${(cover.side / side) * 100}%` }} />}
    </div>
  );
}

function HeatView({ heat }: { heat: Heat }) {
  const most = Math.max(0.02, ...heat.falls);
  return (
    <div class="heat" role="img" aria-label={t("break.heat.alt")} style={{ "--grid": heat.grid }}>
      {Array.from(heat.falls, (fall, index) => (
        <span key={index} style={{ opacity: Math.max(0, fall / most) * 0.85 }} />
      ))}
    </div>
  );
}

const HEAT_GRID = 10;

/** Cover every part of the picture in turn and see how much surer the first guess was with it. One row at a time. */
function useHeat(square: Square | null, damage: Damage): [Heat | null, () => void, () => void] {
  const [heat, setHeat] = useState<Heat | null>(null);
  const run = useRef(0);
  const forget = () => {
    run.current += 1;
    setHeat(null);
  };
  useEffect(() => () => void (run.current += 1), []);
  const look = () => {
    const engine = network.value;
    if (!engine || !square) return;
    run.current += 1;
    void compute(engine, square, damage, run, run.current, setHeat);
  };
  return [heat, look, forget];
}

async function compute(engine: Network, square: Square, damage: Damage, run: { current: number }, mine: number, show: (heat: Heat) => void): Promise<void> {
  const given = changes(engine.net, damage);
  const whole = (await engine.answers(planes([square]), given))[0]!;
  const guess = best(engine.net, whole, 1)[0]!.class;
  const side = Math.round(square.side / 4);
  const step = square.side / HEAT_GRID;
  const falls = new Float32Array(HEAT_GRID * HEAT_GRID);
  for (let row = 0; row < HEAT_GRID; row++) {
    const squares = Array.from({ length: HEAT_GRID }, (_, column) => covered(square, { x: Math.round((column + 0.5) * step - side / 2), y: Math.round((row + 0.5) * step - side / 2), side }));
    const answers = await engine.answers(planes(squares), given);
    if (run.current !== mine) return;
    answers.forEach((answer, column) => (falls[row * HEAT_GRID + column] = whole[guess]! - answer[guess]!));
    show({ grid: HEAT_GRID, falls: falls.slice(), done: row + 1 });
    await new Promise((resolve) => setTimeout(resolve));
  }
}
