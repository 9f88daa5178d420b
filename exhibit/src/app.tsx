/** The frame around the scenes: title and languages above, the scenes' buttons below, where everybody reaches them. */

import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";

import { AboutScene } from "./scenes/about";
import { Attract } from "./scenes/attract";
import { BreakScene } from "./scenes/break";
import { InsideScene } from "./scenes/inside";
import { LearnedScene } from "./scenes/learned";
import { NightsScene } from "./scenes/nights";
import { ShowScene } from "./scenes/show";
import { StartScene } from "./scenes/start";
import { address } from "./files";
import { resting } from "./kiosk";
import { broken, place, settings, visitor, type Place } from "./state";
import { language, LANGUAGES, said, speak, t } from "./words";

const SCENES: Record<Place, ComponentType> = {
  start: StartScene,
  show: ShowScene,
  inside: InsideScene,
  break: BreakScene,
  learned: LearnedScene,
  nights: NightsScene,
  about: AboutScene,
};

const title = (): string => said(settings.value!.title) || t("title");

export function App() {
  const Scene = SCENES[place.value];
  useEffect(() => {
    document.title = title();
  }, [language.value]);
  useEffect(() => {
    document.querySelector("main")?.scrollTo(0, 0);
    scrollTo(0, 0);
  }, [place.value, visitor.value]);
  if (resting.value) return <Attract />;
  return (
    <div class="app">
      <Head />
      <main id="scene" tabIndex={0}>
        {broken.value && (
          <p class="notice" role="alert">
            {t("broken")} <span lang="en">{broken.value}</span>
          </p>
        )}
        <Scene key={`${place.value}-${visitor.value}`} />
      </main>
      <Navigation />
    </div>
  );
}

function Head() {
  const { logo, logoAlt, languages } = settings.value!;
  return (
    <header class="top">
      <button type="button" class="home" onClick={() => (place.value = "start")} aria-label={`${title()}: ${t("nav.start")}`}>
        {logo ? <img src={address(logo)} alt={said(logoAlt)} /> : <Mark />}
        <span>{title()}</span>
      </button>
      {languages!.length > 1 && (
        <div class="languages" role="group" aria-label={t("languages")}>
          {languages!.map((code) => (
            <button key={code} type="button" lang={code} aria-pressed={language.value === code} aria-label={`${code.toUpperCase()} ${LANGUAGES[code]}`} onClick={() => void speak(code)}>
              {code.toUpperCase()}
            </button>
          ))}
        </div>
      )}
    </header>
  );
}

/** Two lanes that cross: the mark of the exhibit where a museum has not put its own. */
function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M2 9h9l9 14h10" class="lane-0" />
      <path d="M2 23h9l9-14h10" class="lane-1" />
    </svg>
  );
}

function Navigation() {
  return (
    <nav class="scenes" aria-label={t("nav")}>
      {settings.value!.scenes.map((name) => (
        <button key={name} type="button" aria-current={place.value === name ? "page" : undefined} onClick={() => (place.value = name)}>
          {t(`nav.${name}`)}
        </button>
      ))}
      <button type="button" class="small" aria-current={place.value === "about" ? "page" : undefined} onClick={() => (place.value = "about")}>
        {t("nav.about")}
      </button>
    </nav>
  );
}
