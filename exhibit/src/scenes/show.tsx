/** Show it something: a picture, the visitor's own, or the camera; what the network sees of it, and what it says. */

import { useEffect, useRef, useState } from "preact/hooks";

import { Answers } from "../parts/answers";
import { SquareView } from "../parts/squares";
import { PictureStrip } from "../parts/strip";
import { best, mean, type Guess, type Network } from "../network";
import { planes, views, type Square } from "../pictures";
import { arrow, pressed, useNewest } from "../parts/hooks";
import { chooseFile, chooseFrame, moveWindow, net, network, notice, settings, subject, type Window } from "../state";
import { percent, t } from "../words";

interface Told {
  guesses: Guess[];
  /** The view and its best guess, where all ten were asked for. */
  each: { square: Square; guess: Guess }[];
}

async function ask(engine: Network, stored: Square, seen: Square, all: boolean): Promise<Told> {
  if (!all) {
    const [answer] = await engine.answers(planes([seen]));
    return { guesses: best(engine.net, answer!), each: [] };
  }
  const squares = views(stored, engine.net.input);
  const answers = await engine.answers(planes(squares));
  return { guesses: best(engine.net, mean(answers)), each: squares.map((square, i) => ({ square, guess: best(engine.net, answers[i]!, 1)[0]! })) };
}

export function ShowScene() {
  const [all, setAll] = useState(false);
  const [told, setTold] = useState<Told | null>(null);
  const camera = useCamera();
  const { value: now } = subject;
  const { value: engine } = network;
  useNewest(
    async (wanted) => {
      if (!engine || !now) return;
      const given = await ask(engine, now.stored, now.seen, all && !camera.on);
      if (wanted()) setTold(given);
      camera.next();
    },
    [engine, now, all, camera.on],
  );
  return (
    <section class="scene show" onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <header class="scene-head">
        <h1>{t("show.title")}</h1>
        <p>{t("show.lead", { count: net.value.classes.filter((item) => !item.unused).length })}</p>
      </header>
      <figure class="panel show-picture">
        <video ref={camera.video} class={camera.on ? "square" : "hidden"} muted playsInline aria-label={t("camera.live")} />
        {!camera.on && now && (now.window ? <Photograph window={now.window} title={now.title} /> : <SquareView square={now.large} smooth label={now.title || t("pictures.yours")} />)}
        <figcaption>{caption(camera.on)}</figcaption>
      </figure>
      <figure class="panel show-seen">
        {now && <SquareView square={now.seen} label={t("show.seen.alt", { side: net.value.input.side })} />}
        <figcaption>{t("show.seen", { side: net.value.input.side })}</figcaption>
      </figure>
      <div class="panel show-answers">
        <h2>{t("show.says")}</h2>
        {told ? <Answers guesses={told.guesses} truth={now?.truth ?? null} label={t("show.says")} /> : <p class="quiet">{t("loading")}</p>}
        <p class="unseen" role="status">
          {told && !camera.on && t("show.spoken", { name: told.guesses[0]!.name, share: percent(told.guesses[0]!.probability) })}
        </p>
      </div>
      {told && told.each.length > 0 && <TenViews each={told.each} />}
      {notice.value && (
        <p class="notice" role="alert">
          {t(notice.value)}
        </p>
      )}
      <div class="controls">
        <PictureStrip />
        <div class="buttons">
          {settings.value!.camera && (
            <button type="button" aria-pressed={camera.on} onClick={camera.toggle}>
              {t(camera.on ? "camera.stop" : "camera.start")}
            </button>
          )}
          <FileButton />
          <button type="button" aria-pressed={all} disabled={camera.on} onClick={() => setAll(!all)}>
            {t("show.views")}
          </button>
        </div>
      </div>
    </section>
  );
}

function caption(live: boolean): string {
  if (live) return t("camera.live");
  const now = subject.value;
  if (!now) return "";
  if (now.visitor) return t("pictures.yours.kept");
  if (now.window) return [t("show.window.told"), now.credit && t("credit", { who: now.credit })].filter(Boolean).join(" ");
  return [now.title, now.credit && t("credit", { who: now.credit })].filter(Boolean).join(" · ");
}

/** A photograph with the window that the network looks through: a finger or the arrow keys move it. */
function Photograph({ window, title }: { window: Window; title: string }) {
  const { photograph, x, y, side } = window;
  const { width, height } = photograph;
  function point(event: PointerEvent & { currentTarget: HTMLElement }): void {
    const share = pressed(event);
    if (!share) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    moveWindow(share[0] * width - side / 2, share[1] * height - side / 2);
  }
  function key(event: KeyboardEvent): void {
    const step = arrow(event);
    if (step) moveWindow(x + 8 * step[0], y + 8 * step[1]);
  }
  return (
    <div class="photograph">
      <div
        class="framed movable"
        role="slider"
        tabIndex={0}
        aria-label={t("show.window", { name: title })}
        aria-valuemin={0}
        aria-valuemax={width * height}
        aria-valuenow={y * width + x}
        aria-valuetext={t("break.cover.at", { x, y })}
        onPointerDown={point}
        onPointerMove={point}
        onKeyDown={key}
        style={{ aspectRatio: `${width} / ${height}`, maxWidth: `${(100 * width) / Math.max(width, height)}%` }}
      >
        <img src={window.address} alt={title} draggable={false} />
        <span class="frame" style={{ left: `${(100 * x) / width}%`, top: `${(100 * y) / height}%`, width: `${(100 * side) / width}%`, height: `${(100 * side) / height}%` }} />
      </div>
    </div>
  );
}

function drop(event: DragEvent): void {
  event.preventDefault();
  const file = event.dataTransfer?.files[0];
  if (file) void chooseFile(file);
}

function FileButton() {
  const input = useRef<HTMLInputElement>(null);
  if (settings.value!.kiosk) return null; // a stand-alone screen shows no file dialog: it is a way out
  return (
    <>
      <button type="button" onClick={() => input.current!.click()}>
        {t("pictures.own")}
      </button>
      <input
        ref={input}
        type="file"
        accept="image/*"
        class="hidden"
        tabIndex={-1}
        aria-label={t("pictures.own")}
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = "";
          if (file) void chooseFile(file);
        }}
      />
    </>
  );
}

function TenViews({ each }: { each: Told["each"] }) {
  return (
    <figure class="panel show-views">
      <figcaption>{t(each.length > 1 ? "show.views.said" : "show.views.one", { count: each.length })}</figcaption>
      <ul>
        {each.map(({ square, guess }, index) => (
          <li key={index}>
            <SquareView square={square} label={t("show.view", { number: index + 1 })} />
            <span>
              {guess.name} {percent(guess.probability)}
            </span>
          </li>
        ))}
      </ul>
    </figure>
  );
}

/** The camera: asked for by a touch, never stored, off when it is stopped or the scene is left. */
function useCamera() {
  const video = useRef<HTMLVideoElement>(null);
  const stream = useRef<MediaStream | null>(null);
  const [on, setOn] = useState(false);
  const alive = useRef(true);

  function off(): void {
    if (stream.current && video.current) chooseFrame(video.current, false); // the last frame stays in hand for the other scenes
    stream.current?.getTracks().forEach((track) => track.stop());
    stream.current = null;
    if (video.current) video.current.srcObject = null;
    setOn(false);
  }

  async function start(): Promise<void> {
    notice.value = null;
    try {
      if (!navigator.mediaDevices) throw new Error("no camera without a secure address");
      const given = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480, facingMode: "user" }, audio: false });
      if (!alive.current) return given.getTracks().forEach((track) => track.stop());
      stream.current = given;
      video.current!.srcObject = given;
      await video.current!.play();
      setOn(true);
      chooseFrame(video.current!, true);
    } catch {
      off();
      notice.value = "camera.refused";
    }
  }

  useEffect(
    () => () => {
      alive.current = false;
      off();
    },
    [],
  );
  return {
    on,
    video,
    toggle: () => void (on ? off() : start()),
    /** The next frame, once the last one has been answered. */
    next: () => requestAnimationFrame(() => stream.current && video.current && chooseFrame(video.current, true)),
  };
}
