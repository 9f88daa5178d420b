/** The notebook of 2012 as a map of its runs, and what was published of it in 2025. */

import { scaleLog, scaleUtc } from "d3-scale";
import { symbol, symbolCircle, symbolSquare, symbolTriangle } from "d3-shape";
import { useMemo, useRef, useState } from "preact/hooks";

import type { Notebook, Run } from "../contract";
import { arrow, useSize } from "../parts/hooks";
import { notebook } from "../state";
import { day, number, percent, t } from "../words";
import { Published } from "./published";

/** A run that has a place on the map. */
interface Mark extends Run {
  started: string;
  top5: number;
}

const FIRST = "145"; // the network of the paper
const HIGHEST = 0.25; // a run far above the others would press them flat: it stands at the upper edge, with its error beside it

function onMap(runs: Run[]): Mark[] {
  const placed = runs.filter((run): run is Mark => run.started !== null && run.top5 !== null && !run.dataset.startsWith("CIFAR"));
  return placed.sort((a, b) => a.started.localeCompare(b.started) || a.id.localeCompare(b.id, "en", { numeric: true }));
}

/** Which pictures a run was tested on; only runs of one group may be compared. */
function group(run: Run): "2010" | "2012" | "other" {
  if (run.dataset.startsWith("LSVRC-2010")) return "2010";
  return run.dataset.startsWith("LSVRC-2012") ? "2012" : "other";
}

export function NightsScene() {
  const [page, setPage] = useState<"map" | "published">("map");
  const told = notebook.value;
  return (
    <section class="scene nights">
      <header class="scene-head">
        <h1>{t("nights.title")}</h1>
        <p>{t(page === "map" ? "nights.lead" : "published.lead")}</p>
      </header>
      {page === "published" ? <Published /> : told ? <NightMap told={told} /> : <p class="quiet">{t("loading")}</p>}
      <div class="buttons nights-pages" role="group" aria-label={t("nights.pages")}>
        {(["map", "published"] as const).map((name) => (
          <button key={name} type="button" aria-pressed={page === name} onClick={() => setPage(name)}>
            {t(`nights.page.${name}`)}
          </button>
        ))}
      </div>
    </section>
  );
}

function NightMap({ told }: { told: Notebook }) {
  const marks = useMemo(() => onMap(told.runs), [told]);
  const [id, setId] = useState(() => marks.find((run) => run.id === FIRST)?.id ?? marks[0]?.id ?? "");
  const index = Math.max(0, marks.findIndex((run) => run.id === id));
  const run = marks[index];
  if (!run) return null;
  const step = (by: number) => setId(marks[(index + by + marks.length) % marks.length]!.id);
  return (
    <>
      <figure class="panel nights-map">
        <Drawn told={told} marks={marks} run={run} choose={setId} step={step} />
        <figcaption class="legend">
          <span class="key-2010">{t("nights.key.2010")}</span>
          <span class="key-2012">{t("nights.key.2012")}</span>
          <span class="key-other">{t("nights.key.other")}</span>
          <span class="key-paper">{t("nights.key.paper")}</span>
        </figcaption>
      </figure>
      <RunCard told={told} run={run} />
      <div class="buttons nights-steps">
        <button type="button" onClick={() => step(-1)}>
          ‹ {t("nights.earlier")}
        </button>
        <button type="button" onClick={() => step(1)}>
          {t("nights.later")} ›
        </button>
      </div>
    </>
  );
}

interface MapProps {
  told: Notebook;
  marks: Mark[];
  run: Mark;
  choose: (id: string) => void;
  step: (by: number) => void;
}

function Drawn({ told, marks, run, choose, step }: MapProps) {
  const holder = useRef<HTMLDivElement>(null);
  const size = useSize(holder);
  const scales = size && placed(marks, size.width, size.height, size.rem);
  function nearest(event: MouseEvent): void {
    if (!scales) return;
    const box = holder.current!.getBoundingClientRect();
    const distance = (mark: Mark) => (scales.x(mark) - event.clientX + box.left) ** 2 + (scales.y(mark) - event.clientY + box.top) ** 2;
    choose(marks.reduce((a, b) => (distance(b) < distance(a) ? b : a)).id);
  }
  function key(event: KeyboardEvent): void {
    const by = arrow(event);
    if (by) step(by[0] - by[1]);
  }
  const at = marks.indexOf(run);
  const spoken = t("nights.spoken", { id: run.id, date: day(run.started), error: percent(run.top5, 1) });
  return (
    <div ref={holder} class="chart tall" role="slider" tabIndex={0} aria-label={t("nights.map")} aria-valuemin={1} aria-valuemax={marks.length} aria-valuenow={at + 1} aria-valuetext={spoken} onClick={nearest} onKeyDown={key}>
      {size && scales && <Marks told={told} marks={marks} run={run} scales={scales} width={size.width} height={size.height} rem={size.rem} />}
    </div>
  );
}

type Scales = ReturnType<typeof placed>;

function placed(marks: Mark[], width: number, height: number, rem: number) {
  const dates = marks.map((mark) => new Date(mark.started));
  const errors = marks.map((mark) => Math.min(mark.top5, HIGHEST));
  const x = scaleUtc([new Date(Math.min(...dates.map(Number))), new Date(Math.max(...dates.map(Number)))], [3 * rem, width - 1.2 * rem]);
  const y = scaleLog([Math.min(...errors) * 0.97, Math.max(...errors) * 1.01], [height - 1.6 * rem, 1.2 * rem]);
  return { x: (mark: Mark) => x(new Date(mark.started)), y: (mark: Mark) => y(Math.min(mark.top5, HIGHEST)), days: x, errors: y };
}

const SHAPES = { "2010": symbolCircle, "2012": symbolSquare, other: symbolTriangle };
const TICKS = [0.15, 0.16, 0.17, 0.18, 0.19, 0.2, 0.22, 0.25];

function Marks({ told, marks, run, scales: { x, y, days, errors }, width, height, rem }: { told: Notebook; marks: Mark[]; run: Mark; scales: Scales; width: number; height: number; rem: number }) {
  const byId = new Map(marks.map((mark) => [mark.id, mark]));
  const paper = new Set(told.paper.flatMap((row) => [row.id, row.against]));
  const month = new Intl.DateTimeFormat(document.documentElement.lang, { month: "short", timeZone: "UTC" });
  const lines = marks.flatMap((mark) => mark.parents.flatMap((parent) => (byId.has(parent.id) ? [{ from: byId.get(parent.id)!, to: mark }] : [])));
  const [low, high] = errors.domain() as [number, number];
  return (
    <svg width={width} height={height} aria-hidden="true">
      {TICKS.filter((tick) => tick >= low && tick <= high).map((tick) => (
        <g key={tick}>
          <line class="rule" x1={2.7 * rem} x2={width} y1={errors(tick)} y2={errors(tick)} />
          <text x={2.4 * rem} y={errors(tick) + 0.28 * rem} text-anchor="end">
            {percent(tick)}
          </text>
        </g>
      ))}
      {days.ticks(6).map((tick) => (
        <text key={+tick} x={days(tick)} y={height - 0.3 * rem} text-anchor="middle">
          {month.format(tick)}
        </text>
      ))}
      {lines.map(({ from, to }, index) => (
        <path key={index} class={`family ${from.id === run.id || to.id === run.id ? "near" : ""}`} d={`M${x(from)} ${y(from)}L${x(to)} ${y(to)}`} />
      ))}
      {marks.map((mark) => (
        <g key={mark.id} transform={`translate(${x(mark)},${y(mark)})`} class={`mark-${group(mark)} ${mark.id === run.id ? "chosen" : ""}`}>
          {paper.has(mark.id) && <circle r={0.55 * rem} class="paper-ring" />}
          <path d={symbol(SHAPES[group(mark)], (mark.id === run.id ? 0.5 : 0.2) * rem * rem)()!} />
          {mark.top5 > HIGHEST && (
            <text x={0.6 * rem} y={0.28 * rem}>
              ↑ {percent(mark.top5)}
            </text>
          )}
          {mark.id === run.id && (
            <text y={-0.75 * rem} text-anchor="middle" class="chosen-name">
              {mark.id}
            </text>
          )}
        </g>
      ))}
    </svg>
  );
}

/** Points of error as a visitor reads them: bought or cost. */
function bought(change: NonNullable<Run["change"]>): string | null {
  if (change.top5 === null) return null;
  const points = number(Math.abs(change.top5) * 100, 2);
  return t(change.top5 < 0 ? "nights.bought" : "nights.cost", { points, from: change.from });
}

function RunCard({ told, run }: { told: Notebook; run: Mark }) {
  const { change } = run;
  const rows = told.paper.filter((row) => row.id === run.id);
  return (
    <article class="panel nights-card" aria-live="polite" tabIndex={0} aria-label={t("nights.run", { id: run.id })} role="region">
      <h2>{t("nights.run", { id: run.id })}</h2>
      <p>{t("nights.facts", { date: day(run.started), gpus: run.gpus, pictures: run.dataset })}</p>
      <p class="fact">
        <strong>{percent(run.top5, 1)}</strong> {t("nights.top5")}
      </p>
      {run.top1 !== null && (
        <p class="quiet">
          {percent(run.top1, 1)} {t("nights.top1")}
        </p>
      )}
      {rows.map((row, index) => (
        <p key={index} class="paper-row">
          ◯ {t(row.meets ? "nights.paper" : "nights.paper.differs")} <span lang="en">{row.what}</span>
        </p>
      ))}
      {change && <Changed change={change} />}
      {run.steps.length > 0 && <p>{t("nights.steps", { count: run.steps.length })}</p>}
      {run.note && (
        <p lang="en" class="quiet">
          {run.note}
        </p>
      )}
      {run.remarks.map((remark) => (
        <p key={remark} lang="en" class="quiet">
          {remark}
        </p>
      ))}
    </article>
  );
}

function Changed({ change }: { change: NonNullable<Run["change"]> }) {
  const parts = [
    change.added.length ? t("nights.added", { what: change.added.join(", ") }) : "",
    change.removed.length ? t("nights.removed", { what: change.removed.join(", ") }) : "",
    change.convolutions ? t("nights.convolutions") : "",
    change.gpus ? t("nights.gpus", { before: change.gpus[0], after: change.gpus[1] }) : "",
    change.dataset ? t("nights.dataset", { before: change.dataset[0], after: change.dataset[1] }) : "",
  ].filter(Boolean);
  const effect = bought(change);
  return (
    <>
      <p>
        {t(`nights.relation.${change.relation}`, { from: change.from })} {parts.join("; ")}
        {parts.length ? "." : ""}
      </p>
      {effect && <p class="effect">{effect}</p>}
    </>
  );
}
