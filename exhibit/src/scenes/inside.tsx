/** Inside: touch a layer for its maps, a map to see it large, a point of it for the window of the picture behind it. */

import { useEffect, useMemo, useState } from "preact/hooks";

import type { Layer } from "../contract";
import { FilterView } from "../parts/filter";
import { arrow, pressed, useTensors } from "../parts/hooks";
import { MapView, plane, range } from "../parts/maps";
import { part, SquareView } from "../parts/squares";
import { PictureStrip } from "../parts/strip";
import type { Values } from "../network";
import { bitmap } from "../files";
import { centreView, store, type Square } from "../pictures";
import { exhibit, net, subject } from "../state";
import { number, t } from "../words";
import { crossingsOf, layerName, Lanes } from "./lanes";

const PER_PAGE = 24;

function firstChosen(layers: Layer[]): string {
  return (layers.find((layer) => layer.role === "filters") ?? layers[0]!).name;
}

export function InsideScene() {
  const { layers, input } = net.value;
  const [name, setName] = useState(() => firstChosen(layers));
  const [map, setMap] = useState<number | null>(null);
  const layer = layers.find((item) => item.name === name)!;
  const seen = subject.value?.seen ?? null;
  const values = useTensors(seen, [layer.tensor])?.[layer.tensor] ?? null;
  function choose(next: string): void {
    setName(next);
    setMap(null);
  }
  return (
    <section class="scene inside">
      <header class="scene-head">
        <h1>{t("inside.title")}</h1>
        <p>{t("inside.lead")}</p>
      </header>
      <Lanes chosen={name} choose={choose} />
      <div class="panel inside-picture">
        {seen && <SquareView square={seen} label={t("show.seen.alt", { side: input.side })} />}
        <PictureStrip perPage={3} />
      </div>
      <div class="panel inside-layer" aria-live="polite">
        <h2>
          {layerName(layer, layers)}
          {layer.device >= 0 && layer.role !== "answer" && <span class={`lane-name lane-${layer.device}`}>{t("gpu", { number: layer.device + 1 })}</span>}
        </h2>
        {map !== null && (
          <button type="button" class="back" onClick={() => setMap(null)}>
            {t("inside.back")}
          </button>
        )}
        <p>{told(layer)}</p>
        {values && seen && layer.image && layer.role !== "picture" && map === null && <MapGrid key={name} layer={layer} values={values} open={setMap} />}
        {values && seen && layer.image && layer.role !== "picture" && map !== null && (
          <LargeMap key={`${name}-${map}`} layer={layer} values={values} index={map} seen={seen} />
        )}
        {values && !layer.image && <Units layer={layer} values={values} />}
      </div>
    </section>
  );
}

/** What the layer does and how large it is. */
function told(layer: Layer): string {
  const [maps, height, width] = layer.shape;
  const size = layer.image ? t("inside.size.maps", { maps, height, width }) : t("inside.size.units", { count: number(maps) });
  const learned = layer.parameters ? t("inside.learned", { parameters: number(layer.parameters) }) : "";
  return [t(`inside.role.${layer.role}`), layer.role === "picture" ? "" : size, learned, crossingsOf(layer) ?? ""].filter(Boolean).join(" ");
}

function MapGrid({ layer, values, open }: { layer: Layer; values: Values; open: (index: number) => void }) {
  const [page, setPage] = useState(0);
  const scale = useMemo(() => range(values), [values]);
  const count = layer.shape[0];
  const pages = Math.ceil(count / PER_PAGE);
  const shown = Array.from({ length: Math.min(PER_PAGE, count - page * PER_PAGE) }, (_, i) => page * PER_PAGE + i);
  return (
    <>
      <div class="map-grid">
        {shown.map((index) => (
          <button key={index} type="button" class="map" onClick={() => open(index)} aria-label={t("inside.map", { number: index + 1 })}>
            <MapView map={plane(values, index)} scale={scale} device={layer.device} />
            {layer.filters && (
              <span class="map-filter">
                <FilterView strip={layer.filters} index={index} />
              </span>
            )}
          </button>
        ))}
      </div>
      {pages > 1 && (
        <div class="buttons pager">
          <button type="button" disabled={page === 0} onClick={() => setPage(page - 1)} aria-label={t("previous")}>
            ‹
          </button>
          <span>{t("inside.page", { from: page * PER_PAGE + 1, to: page * PER_PAGE + shown.length, count })}</span>
          <button type="button" disabled={page === pages - 1} onClick={() => setPage(page + 1)} aria-label={t("next")}>
            ›
          </button>
        </div>
      )}
    </>
  );
}

interface Point {
  x: number;
  y: number;
}

function strongest(values: Values, index: number): Point {
  const { width, data } = plane(values, index);
  let top = 0;
  data.forEach((value, i) => value > data[top]! && (top = i));
  return { x: top % width, y: Math.floor(top / width) };
}

function LargeMap({ layer, values, index, seen }: { layer: Layer; values: Values; index: number; seen: Square }) {
  const map = useMemo(() => plane(values, index), [values, index]); // the same one, or every move would draw it anew
  const [at, setAt] = useState<Point>(() => strongest(values, index));
  const scale = useMemo(() => range(values), [values]);
  const move = (x: number, y: number) => setAt({ x: Math.min(Math.max(x, 0), map.width - 1), y: Math.min(Math.max(y, 0), map.height - 1) });
  function point(event: PointerEvent & { currentTarget: HTMLElement }): void {
    const share = pressed(event);
    if (share) move(Math.floor(share[0] * map.width), Math.floor(share[1] * map.height));
  }
  function key(event: KeyboardEvent): void {
    const step = arrow(event);
    if (step) move(at.x + step[0], at.y + step[1]);
  }
  const value = map.data[at.y * map.width + at.x] ?? 0;
  const spoken = t("inside.point", { column: at.x + 1, row: at.y + 1, share: number((100 * Math.max(value, 0)) / scale[1]) });
  const sees = layer.sees;
  const window = sees && { left: sees.start + sees.step * at.x, top: sees.start + sees.step * at.y, side: sees.side };
  return (
    <div class="large">
      <div class="large-row">
        <figure>
          <div class="map-large" role="slider" tabIndex={0} aria-label={t("inside.large", { number: index + 1 })} aria-valuemin={0} aria-valuemax={map.width * map.height - 1} aria-valuenow={at.y * map.width + at.x} aria-valuetext={spoken} onPointerDown={point} onPointerMove={point} onKeyDown={key}>
            <MapView map={map} scale={scale} device={layer.device} />
            <span class="frame" style={{ left: `${(at.x / map.width) * 100}%`, top: `${(at.y / map.height) * 100}%`, width: `${100 / map.width}%`, height: `${100 / map.height}%` }} />
          </div>
          <figcaption>{spoken}</figcaption>
        </figure>
        {window && (
          <figure>
            <div class="framed">
              <SquareView square={seen} label={t("inside.window.where")} />
              <span class="frame" style={clipped(window, seen.side)} />
            </div>
            <figcaption>{t("inside.window.where")}</figcaption>
          </figure>
        )}
        {window && (
          <figure>
            <SquareView square={part(seen, window.left, window.top, window.side)} label={t("inside.window")} />
            <figcaption>{t("inside.window")}</figcaption>
          </figure>
        )}
        <FilterAndPatch layer={layer} index={index} />
      </div>
    </div>
  );
}

function clipped({ left, top, side }: { left: number; top: number; side: number }, whole: number): Record<string, string> {
  const edge = (value: number) => Math.min(Math.max(value, 0), whole);
  const [x, y] = [edge(left), edge(top)];
  return { left: `${(x / whole) * 100}%`, top: `${(y / whole) * 100}%`, width: `${((edge(left + side) - x) / whole) * 100}%`, height: `${((edge(top + side) - y) / whole) * 100}%` };
}

/** A first-layer filter, and the piece of all pictures that it answers most. */
function FilterAndPatch({ layer, index }: { layer: Layer; index: number }) {
  const given = exhibit.value!;
  const patch = given.patches.find((item) => item.layer === layer.name)?.strongest[index];
  const [square, setSquare] = useState<Square | null>(null);
  useEffect(() => {
    if (!patch) return;
    let wanted = true;
    void bitmap(given.pictures[patch.picture]!.file).then((picture) => {
      const whole = centreView(store(picture, given.net.input), given.net.input);
      if (wanted) setSquare(part(whole, patch.x, patch.y, patch.side));
    });
    return () => {
      wanted = false;
    };
  }, [patch]);
  if (!layer.filters) return null;
  return (
    <>
      <figure>
        <FilterView strip={layer.filters} index={index} label={t("inside.filter")} />
        <figcaption>{t("inside.filter")}</figcaption>
      </figure>
      {(square || patch === null) && (
        <figure>
          {square ? <SquareView square={square} label={t("inside.patch")} /> : <p class="quiet">{t("inside.patch.none")}</p>}
          <figcaption>{t("inside.patch")}</figcaption>
        </figure>
      )}
    </>
  );
}

const UNITS_SHOWN = 1024;

/** Units that look at everything: one little square each, or, for the answer, what they stand for. */
function Units({ layer, values }: { layer: Layer; values: Values }) {
  const count = Math.min(layer.shape[0], UNITS_SHOWN);
  const columns = Math.ceil(Math.sqrt(count * 3));
  const rows = Math.ceil(count / columns);
  const data = new Float32Array(columns * rows);
  data.set(values.data.subarray(0, count));
  const active = values.data.reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0);
  return (
    <figure class="units" style={{ "--ratio": columns / rows }}>
      <MapView map={{ width: columns, height: rows, data }} scale={range(values)} device={layer.device} label={t("inside.units.alt", { count: number(layer.shape[0]) })} />
      <figcaption>
        {layer.role === "answer" ? t("inside.units.answer") : t("inside.units", { active: number(active), count: number(layer.shape[0]) })}
        {count < layer.shape[0] && ` ${t("inside.units.some", { count: number(count) })}`}
      </figcaption>
    </figure>
  );
}
