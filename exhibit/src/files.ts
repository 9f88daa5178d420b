/**
 * Where files come from: the folder beside index.html, or, in a page that holds everything, its own elements.
 *
 * Nothing else in the exhibit asks for a file, and nothing asks anywhere else.
 */

/** A file that is not there or cannot be had; `path` is relative to index.html. */
export class MissingFile extends Error {
  constructor(readonly path: string) {
    super(`the exhibit's file ${path} cannot be read`);
  }
}

function inlined(path: string): string | null {
  const holder = document.querySelector(`script[data-file="${CSS.escape(path)}"]`);
  return holder ? (holder.textContent ?? "") : null;
}

function decode64(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text.trim());
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < characters.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const held = inlined(path);
  if (held !== null) return decode64(held);
  if (document.documentElement.dataset.single === "yes") throw new MissingFile(path);
  const answer = await fetch(path).catch(() => null);
  if (!answer || !answer.ok) throw new MissingFile(path);
  return new Uint8Array(await answer.arrayBuffer());
}

export async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path));
}

export async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readText(path)) as T;
}

/** The text of a file that need not be there. */
export async function readTextIfThere(path: string): Promise<string | null> {
  return readText(path).catch((error: unknown) => {
    if (error instanceof MissingFile) return null;
    throw error;
  });
}

/** Unpack gzip; browsers bring the code along. */
export async function unpack(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const TYPES: Record<string, string> = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", svg: "image/svg+xml", webp: "image/webp" };
const addresses = new Map<string, string>();

/** An address for <img>: the path itself in a folder, a blob of the held bytes in a single file. Made once for each file. */
export function address(path: string): string {
  const held = addresses.get(path);
  if (held) return held;
  const text = inlined(path);
  const type = TYPES[path.split(".").pop()!.toLowerCase()] ?? "application/octet-stream";
  const made = text === null ? path : URL.createObjectURL(new Blob([decode64(text)], { type }));
  addresses.set(path, made);
  return made;
}

const bitmaps = new Map<string, Promise<ImageBitmap>>();

/** A picture of the exhibit, decoded as its bytes say (no colour management), once. */
export function bitmap(path: string): Promise<ImageBitmap> {
  let waiting = bitmaps.get(path);
  if (!waiting) {
    waiting = readBytes(path).then((bytes) => createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none", premultiplyAlpha: "none" }));
    bitmaps.set(path, waiting);
  }
  return waiting;
}
