/** How it learned: the curves, and a film of the filters and the answers with a slider. */

import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { useEffect, useRef, useState } from "preact/hooks";

import type { Film, History } from "../contract";
import { FilterView } from "../parts/filter";
import { useSize } from "../parts/hooks";
import { share } from "../parts/answers";
import { address } from "../files";
import { exhibit, net } from "../state";
import { number, percent, t } from "../words";

export function LearnedScene() {
  const { history, film } = exhibit.value!;
  const last = film ? film.frames.length - 1 : 0;
  const [at, setAt] = useState(last);
  return (
    <section class="scene learned">
      <header class="scene-head">
        <h1>{t("learned.title")}</h1>
        <p>{t(history.tests.length ? "learned.lead" : "learned.lead.untested")}</p>
      </header>
      <figure class="panel learned-curve">
        <h2>{t("learned.curve")}</h2>
        {history.tests.length || history.training.some((point) => point.error !== null) ? <Curves history={history} batch={film?.frames[at]?.batch ?? null} /> : <p class="quiet">{t("learned.none")}</p>}
        <figcaption>
          <Legend history={history} />
        </figcaption>
      </figure>
      {film && film.frames.length > 0 ? <FilmPanels film={film} at={at} /> : <p class="panel quiet">{t("learned.film.none")}</p>}
      {film && film.frames.length > 0 && <FilmControls film={film} at={at} setAt={setAt} />}
    </section>
  );
}

function Legend({ history }: { history: History }) {
  const entries: [string, boolean][] = [
    ["test", history.tests.length > 0],
    ["topk", history.tests.some((item) => item.top5 !== null)],
    ["training", history.training.some((item) => item.error !== null)],
  ];
  return (
    <span class="legend">
      {entries
        .filter(([, there]) => there)
        .map(([name]) => (
          <span key={name} class={`key-${name}`}>
            {t(`learned.key.${name}`, { k: history.topk })}
          </span>
        ))}
    </span>
  );
}

function Curves({ history, batch }: { history: History; batch: number | null }) {
  const holder = useRef<HTMLDivElement>(null);
  const size = useSize(holder);
  const spoken = curveInWords(history);
  return (
    <div ref={holder} class="chart" role="img" aria-label={spoken}>
      {size && <CurvesDrawn history={history} batch={batch} width={size.width} height={size.height} rem={size.rem} />}
    </div>
  );
}

function curveInWords({ tests, epoch }: History): string {
  if (!tests.length) return t("learned.curve");
  const [first, last] = [tests[0]!, tests.at(-1)!];
  return t("learned.curve.alt", { first: percent(first.error), last: percent(last.error), rounds: number(last.batch / epoch, 1) });
}

function CurvesDrawn({ history, batch, width, height, rem }: { history: History; batch: number | null; width: number; height: number; rem: number }) {
  const { tests, training, epoch } = history;
  const most = Math.max(...tests.map((item) => item.batch), ...training.map((item) => item.batch), 1);
  const x = scaleLinear([0, most / epoch], [2.4 * rem, width - 0.8 * rem]);
  const y = scaleLinear([0, 1], [height - 1.9 * rem, 0.6 * rem]);
  const path = (points: { batch: number; value: number | null }[]) =>
    line<{ batch: number; value: number | null }>()
      .defined((point) => point.value !== null)
      .x((point) => x(point.batch / epoch))
      .y((point) => y(point.value!))(points) ?? "";
  return (
    <svg width={width} height={height} aria-hidden="true">
      {[0, 0.25, 0.5, 0.75, 1].map((tick) => (
        <g key={tick}>
          <line x1={x.range()[0]} x2={x.range()[1]} y1={y(tick)} y2={y(tick)} class="rule" />
          <text x={2.1 * rem} y={y(tick) + 0.28 * rem} text-anchor="end">
            {percent(tick)}
          </text>
        </g>
      ))}
      {x.ticks(5).map((tick) => (
        <text key={tick} x={x(tick)} y={height - 0.9 * rem} text-anchor="middle">
          {number(tick, Number.isInteger(tick) ? 0 : 1)}
        </text>
      ))}
      <text x={x.range()[1]} y={height - 0.1 * rem} text-anchor="end">
        {t("learned.rounds")}
      </text>
      <path class="curve training" d={path(training.map((item) => ({ batch: item.batch, value: item.error })))} />
      <path class="curve topk" d={path(tests.map((item) => ({ batch: item.batch, value: item.top5 })))} />
      <path class="curve test" d={path(tests.map((item) => ({ batch: item.batch, value: item.error })))} />
      {tests.map((item) => (
        <circle key={item.batch} class="curve-point" r={0.22 * rem} cx={x(item.batch / epoch)} cy={y(item.error)} />
      ))}
      {batch !== null && <line class="cursor" x1={x(batch / epoch)} x2={x(batch / epoch)} y1={y(1)} y2={y(0)} />}
    </svg>
  );
}

function FilmPanels({ film, at }: { film: Film; at: number }) {
  const frame = film.frames[at]!;
  const lanes = net.value.layers.filter((layer) => frame.filters[layer.name]);
  return (
    <>
      <figure class="panel learned-filters">
        <h2>{t("learned.filters")}</h2>
        {lanes.map((layer) => (
          <div key={layer.name} class="film-lane">
            <span class={`lane-name lane-${layer.device}`}>{t("gpu", { number: layer.device + 1 })}</span>
            <div class="film-filters">
              {Array.from({ length: Math.min(frame.filters[layer.name]!.count, 48) }, (_, index) => (
                <FilterView key={index} strip={frame.filters[layer.name]!} index={index} />
              ))}
            </div>
          </div>
        ))}
        <figcaption>{t("learned.filters.told")}</figcaption>
      </figure>
      <Answered film={film} at={at} />
    </>
  );
}

const SHOWN = 12;

/** What it said of the same pictures at this time; wrong ones are marked by a sign and in words, not by colour alone. */
function Answered({ film, at }: { film: Film; at: number }) {
  const { pictures } = exhibit.value!;
  const { classes } = net.value;
  const name = (index: number | null) => (index === null ? "?" : (classes[index]?.name.split(",")[0] ?? "?"));
  const rows = film.pictures.slice(0, SHOWN).map((index, i) => {
    const picture = pictures[index]!;
    const top = film.frames[at]!.answers[i]?.top[0];
    return { picture, top, wrong: top !== undefined && top.class !== picture.truth };
  });
  return (
    <div class="panel learned-answers">
      <h2>{t("learned.answers", { wrong: rows.filter((row) => row.wrong).length, count: rows.length })}</h2>
      <ul>
        {rows.map(({ picture, top, wrong }, i) => (
          <li key={i} class={wrong ? "wrong" : "right"}>
            <img src={address(picture.file)} alt={name(picture.truth)} draggable={false} />
            <span>
              <span aria-hidden="true">{wrong ? "✗ " : "✓ "}</span>
              <span class="unseen">{t(wrong ? "learned.wrong" : "answer.right")}: </span>
              {top ? `${name(top.class)} ${share(top.probability)}` : ""}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

const FRAMES_A_SECOND = 1.5;

function FilmControls({ film, at, setAt }: { film: Film; at: number; setAt: (at: number) => void }) {
  const [playing, setPlaying] = useState(false);
  const last = film.frames.length - 1;
  useEffect(() => {
    if (!playing) return;
    const timer = setTimeout(() => (at < last ? setAt(at + 1) : setPlaying(false)), 1000 / FRAMES_A_SECOND);
    return () => clearTimeout(timer);
  }, [playing, at]);
  function play(): void {
    if (!playing && at === last) setAt(0);
    setPlaying(!playing);
  }
  const frame = film.frames[at]!;
  const rounds = number(frame.epoch, Number.isInteger(frame.epoch) ? 0 : 1);
  const spoken = frame.error === null ? t("learned.at.untested", { rounds }) : t("learned.at", { rounds, error: percent(frame.error) });
  return (
    <div class="film-controls controls">
      <button type="button" onClick={play} aria-pressed={playing}>
        {t(playing ? "learned.pause" : "learned.play")}
      </button>
      <label class="film-slider">
        <span>{spoken}</span>
        <input type="range" min={0} max={last} value={at} aria-valuetext={spoken} onInput={(event) => setAt(Number(event.currentTarget.value))} />
      </label>

    </div>
  );
}
