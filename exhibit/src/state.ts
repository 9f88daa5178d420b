/** What the scenes share: the exhibit's data, the present scene, and the picture that the visitor chose. */

import { computed, signal } from "@preact/signals";

import type { Exhibit, Notebook, SceneName } from "./contract";
import { address, bitmap } from "./files";
import type { Network } from "./network";
import { centreSquare, centreView, cut, decodeFile, store, type Square } from "./pictures";
import type { Settings } from "./settings";
import { homeLanguage, said, speak } from "./words";

export type Place = "start" | SceneName | "about";

/** A picture that can be chosen. */
export interface Choice {
  id: string;
  address: string;
  alt: string;
  title: string;
  truth: number | null;
  credit: string | null;
  file: string;
  /** A photograph that is larger than what the network was trained on: a window of it is shown to the network. */
  windowed: boolean;
}

/** The picture in hand: as it is shown, as it is stored, as the network sees it. */
export interface Subject {
  id: string;
  title: string;
  truth: number | null;
  credit: string | null;
  /** The centre square at a size that is good to look at. */
  large: Square;
  stored: Square;
  seen: Square;
  /** Whether it came from the visitor, and goes with the visitor. */
  visitor: boolean;
  /** The photograph and the window in it that the network looks through, in its pixels. */
  window: Window | null;
}

export interface Window {
  photograph: ImageBitmap;
  address: string;
  x: number;
  y: number;
  side: number;
}

export const exhibit = signal<Exhibit | null>(null);
export const notebook = signal<Notebook | null>(null);
export const settings = signal<Settings | null>(null);
export const network = signal<Network | null>(null);
/** What went wrong while opening the network, if something did. */
export const broken = signal<string | null>(null);
export const place = signal<Place>("start");
export const subject = signal<Subject | null>(null);
/** Key of a message about a picture that could not be used. */
export const notice = signal<string | null>(null);
/** Raised when the exhibit begins anew; scenes are made anew with it. */
export const visitor = signal(0);

export const net = computed(() => exhibit.value!.net);

const LARGE = 640;

export const choices = computed<Choice[]>(() => {
  const given = exhibit.value;
  if (!given) return [];
  const className = (index: number | null) => (index === null ? "" : given.net.classes[index]!.name.split(",")[0]!);
  const own = (settings.value?.pictures ?? []).map((item, index) => ({
    id: `own-${index}`,
    address: address(item.file),
    alt: said(item.alt ?? item.title ?? ""),
    title: said(item.title ?? ""),
    truth: null,
    credit: item.credit ?? null,
    file: item.file,
    windowed: false,
  }));
  if (settings.value?.ownPicturesOnly && own.length) return own;
  const photographs = given.photographs.map((item, index) => ({
    id: `photograph-${index}`,
    address: address(item.file),
    alt: className(item.truth),
    title: className(item.truth),
    truth: item.truth,
    credit: item.credit,
    file: item.file,
    windowed: true,
  }));
  const shown = given.pictures.flatMap((item, index) =>
    item.shown
      ? [{ id: `picture-${index}`, address: address(item.file), alt: className(item.truth), title: className(item.truth), truth: item.truth, credit: item.credit, file: item.file, windowed: false }]
      : [],
  );
  return [...own, ...photographs, ...shown];
});

type About = Pick<Subject, "id" | "title" | "truth" | "credit" | "visitor">;

function take(source: ImageBitmap | HTMLVideoElement, about: About, mirrored = false): Subject {
  const input = net.value.input;
  const stored = store(source, input, mirrored);
  return { ...about, stored, seen: centreView(stored, input), large: centreSquare(source, LARGE, mirrored), window: null };
}

/** What lies in the window of a photograph, pixel by pixel. */
function look(window: Window, about: About): Subject {
  const input = net.value.input;
  const { photograph, side } = window;
  const limit = (value: number, size: number) => Math.round(Math.min(Math.max(value, 0), size - side));
  const at = { ...window, x: limit(window.x, photograph.width), y: limit(window.y, photograph.height) };
  const stored = cut(photograph, at.x, at.y, side, input.stored);
  return { ...about, stored, seen: centreView(stored, input), large: stored, window: at };
}

/** Move the window of the present photograph; its left upper corner in the photograph's pixels. */
export function moveWindow(x: number, y: number): void {
  const now = subject.peek();
  if (now?.window) subject.value = look({ ...now.window, x, y }, now);
}

export async function choose(choice: Choice): Promise<void> {
  notice.value = null;
  const picture = await bitmap(choice.file);
  const { id, title, truth, credit } = choice;
  const about = { id, title, truth, credit, visitor: false };
  if (!choice.windowed) {
    subject.value = take(picture, about);
    return;
  }
  const side = Math.min(net.value.input.stored, picture.width, picture.height);
  subject.value = look({ photograph: picture, address: choice.address, side, x: (picture.width - side) / 2, y: (picture.height - side) / 3 }, about);
}

/** A visitor's own file; the message about one that cannot be used stands in `notice`. Nothing of it is kept elsewhere. */
export async function chooseFile(file: Blob): Promise<void> {
  try {
    const decoded = await decodeFile(file);
    subject.value = take(decoded, { id: "visitor", title: "", truth: null, credit: null, visitor: true });
    decoded.close();
    notice.value = null;
  } catch (error) {
    notice.value = (error as { key?: string }).key ?? "picture.broken";
  }
}

/** The present frame of the camera. While it runs only the network's square is made: the picture itself is the video. */
export function chooseFrame(video: HTMLVideoElement, running: boolean): void {
  if (!video.videoWidth) return;
  const about = { id: "camera", title: "", truth: null, credit: null, visitor: true };
  if (!running) {
    subject.value = take(video, about, true);
    return;
  }
  const stored = store(video, net.value.input, true);
  subject.value = { ...about, stored, seen: centreView(stored, net.value.input), large: stored, window: null };
}

/** Forget the visitor: back to the start and its language, with the exhibit's first picture. */
export async function beginAnew(): Promise<void> {
  subject.value = null;
  notice.value = null;
  place.value = "start";
  visitor.value += 1;
  await speak(homeLanguage.value);
  const first = choices.value[0];
  if (first) await choose(first);
}
