/** What the curator set (exhibit.toml), then what the command line said, then the page's own defaults. */

import { parse } from "smol-toml";

import type { Curator, CuratorPicture, Exhibit, SceneName, Words } from "./contract";

export const SCENES: SceneName[] = ["show", "inside", "break", "learned", "nights"];
const IDLE_SECONDS = 90;

export interface Settings {
  title: Words | null;
  introduction: Words | null;
  logo: string | null;
  logoAlt: Words | null;
  credits: Words[];
  /** null: those of the page. */
  languages: string[] | null;
  kiosk: boolean;
  idleSeconds: number;
  scenes: SceneName[];
  camera: boolean;
  pictures: CuratorPicture[];
  ownPicturesOnly: boolean;
  /** What is wrong with exhibit.toml, for the curator; the exhibit goes on without it. */
  complaint: string | null;
}

export function settle(toml: string | null, defaults: Exhibit["defaults"]): Settings {
  let given: Curator = {};
  let complaint: string | null = null;
  try {
    given = toml === null ? {} : (parse(toml) as Curator);
  } catch (error) {
    complaint = `exhibit.toml: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`;
  }
  const scenes = Array.isArray(given.scenes) ? given.scenes.filter((name) => SCENES.includes(name)) : [];
  const idle = given.idle_seconds;
  return {
    title: given.title || defaults.title,
    introduction: given.introduction || null,
    logo: given.logo || null,
    logoAlt: given.logo_alt || null,
    credits: Array.isArray(given.credits) ? given.credits : [],
    languages: given.languages?.length ? given.languages : defaults.languages,
    kiosk: given.kiosk ?? defaults.kiosk,
    idleSeconds: typeof idle === "number" && idle > 0 ? idle : IDLE_SECONDS,
    scenes: scenes.length ? scenes : SCENES,
    camera: given.camera ?? true,
    pictures: Array.isArray(given.pictures) ? given.pictures : [],
    ownPicturesOnly: given.own_pictures_only ?? false,
    complaint,
  };
}
