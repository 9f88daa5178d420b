/** Texts by key in the visitor's language: texts/LANG.json, and English for what a language lacks. */

import { signal } from "@preact/signals";

import type { Words } from "./contract";
import { readJson } from "./files";

/** Languages that come with the page, by their own names. */
export const LANGUAGES: Record<string, string> = { en: "English", de: "Deutsch", fr: "Français", es: "Español" };

type Dictionary = Record<string, string>;

export const language = signal("en");
const dictionaries = signal<Record<string, Dictionary>>({});

/** What the exhibit speaks when nobody has chosen. */
export const homeLanguage = signal("en");

/** Load a language, and English to fall back to. */
export async function speak(code: string): Promise<void> {
  for (const wanted of new Set(["en", code])) {
    if (!dictionaries.value[wanted]) {
      const read = await readJson<Dictionary>(`texts/${wanted}.json`);
      dictionaries.value = { ...dictionaries.value, [wanted]: read };
    }
  }
  language.value = code;
  document.documentElement.lang = code;
}

/** The text of a key; {names} in it are replaced. A key that no language has shows itself. */
export function t(key: string, values: Record<string, string | number> = {}): string {
  const text = dictionaries.value[language.value]?.[key] ?? dictionaries.value["en"]?.[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** A curator's text. */
export function said(words: Words | null): string {
  if (words === null) return "";
  if (typeof words === "string") return words;
  return words[language.value] ?? words["en"] ?? Object.values(words)[0] ?? "";
}

export const number = (value: number, digits = 0): string =>
  new Intl.NumberFormat(language.value, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);

export const percent = (share: number, digits = 0): string =>
  new Intl.NumberFormat(language.value, { style: "percent", maximumFractionDigits: digits, minimumFractionDigits: digits }).format(share);

export const day = (iso: string): string =>
  new Intl.DateTimeFormat(language.value, { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" }).format(new Date(`${iso}T00:00:00Z`));

/** Bytes in a visitor's unit. */
export const bytes = (count: number): string =>
  count >= 1e6 ? `${number(count / 1e6, 1)} MB` : count >= 1e3 ? `${number(count / 1e3)} KB` : `${number(count)} B`;
