import "./style.css";

import { render } from "preact";

import { App } from "./app";
import type { Exhibit, Notebook } from "./contract";
import { readJson, readTextIfThere } from "./files";
import { guard } from "./kiosk";
import { faster, Network } from "./network";
import { centreView, planes, store } from "./pictures";
import { settle } from "./settings";
import { beginAnew, broken, choices, exhibit, net, network, notebook, settings, subject } from "./state";
import { homeLanguage, LANGUAGES, speak } from "./words";

const root = document.getElementById("exhibit")!;

/** The languages offered: those the curator named that the page has, or all, the browser's own first. */
function offered(named: string[] | null): string[] {
  const known = (named ?? []).filter((code) => code in LANGUAGES);
  return known.length ? known : Object.keys(LANGUAGES);
}

function firstLanguage(named: string[] | null): string {
  const codes = offered(named);
  if (named) return codes[0]!;
  const wished = navigator.languages.map((code) => code.slice(0, 2)).find((code) => codes.includes(code));
  return wished ?? codes[0]!;
}

async function open(): Promise<void> {
  const [data, toml] = await Promise.all([readJson<Exhibit>("data/exhibit.json"), readTextIfThere("exhibit.toml")]);
  const settled = settle(toml, data.defaults);
  homeLanguage.value = firstLanguage(settled.languages);
  await speak(homeLanguage.value);
  settings.value = { ...settled, languages: offered(settled.languages) };
  exhibit.value = data;
  if (settled.kiosk) guard(settled.idleSeconds);
  root.replaceChildren();
  render(<App />, root);
  const told = readJson<Notebook>("data/notebook.json").then((read) => (notebook.value = read));
  await beginAnew();
  network.value = await Network.open(data.net);
  await told;
  performance.mark("ready");
  document.documentElement.dataset.ready = "yes";
  await speedUp(network.value);
}

async function speedUp(slow: Network): Promise<void> {
  const found = await faster(slow);
  if (!found) return;
  network.value = found;
  document.documentElement.dataset.computes = found.provider;
  await slow.close(found);
}

/** Anything that stops the exhibit is said in plain words, in the page. */
function fail(error: unknown): void {
  console.error(error);
  broken.value = error instanceof Error ? error.message : String(error);
  if (!exhibit.value) {
    const message = document.createElement("p");
    message.className = "loading";
    message.setAttribute("role", "alert");
    message.textContent = `The exhibit cannot begin: ${broken.value}`;
    root.replaceChildren(message);
  }
}

if (location.hash === "#test") {
  Object.assign(window, { exhibitParts: { exhibit, network, choices, subject, take: (picture: ImageBitmap) => planes([centreView(store(picture, net.value.input), net.value.input)]) } });
}
open().catch(fail);
