import "./style.css";

import { render } from "preact";

import { App } from "./app";
import type { Exhibit, Notebook } from "./contract";
import { readJson, readTextIfThere } from "./files";
import { guard } from "./kiosk";
import { Network } from "./network";
import { settle } from "./settings";
import { beginAnew, broken, choices, exhibit, network, notebook, settings } from "./state";
import { LANGUAGES, speak } from "./words";

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
  await speak(firstLanguage(settled.languages));
  settings.value = { ...settled, languages: offered(settled.languages) };
  exhibit.value = data;
  if (settled.kiosk) guard(settled.idleSeconds);
  root.replaceChildren();
  render(<App />, root);
  const told = readJson<Notebook>("data/notebook.json").then((read) => (notebook.value = read));
  await beginAnew();
  network.value = await Network.open(data.net);
  await told;
  document.documentElement.dataset.ready = "yes";
}

/** Anything that stops the exhibit is said in plain words, in the page. */
function fail(error: unknown): void {
  console.error(error);
  broken.value = error instanceof Error ? error.message : String(error);
  if (!exhibit.value) {
    const message = document.createElement("p");
    message.className = "loading";
    message.setAttribute("role", "alert");
    message.textContent =
      location.protocol === "file:"
        ? "This exhibit is a folder of files, and a browser reads those from a file server only. For a double click, make one file of it: alexnet-archive exhibit ... --single-file"
        : `The exhibit cannot begin: ${broken.value}`;
    root.replaceChildren(message);
  }
}

if (location.hash === "#test") {
  Object.assign(window, { exhibitParts: { exhibit, network, choices } });
}
open().catch(fail);
