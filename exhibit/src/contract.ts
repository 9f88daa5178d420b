/**
 * What `alexnet-archive exhibit OUT --checkpoint RUN` writes and the page reads: every file of the folder, as types.
 *
 * The writer is harness/alexnet_archive/exhibit/interactive/; tests there check what it writes against the names in
 * this file. Change both together, and FORMAT with them when an old page could not read a new folder.
 *
 *   index.html             the built page, with its Content-Security-Policy
 *   assets/...             scripts, styles, fonts, onnxruntime-web's WebAssembly: as Vite built them
 *   texts/LANG.json        flat dictionaries, one for each language, as Vite copied them
 *   exhibit.toml           the curator's file: type Curator; the writer makes it once and never touches it again
 *   data/exhibit.json      type Exhibit: everything small
 *   data/notebook.json     type Notebook: the runs of 2012
 *   data/net.onnx          the network: see "The graph" below
 *   data/pictures/*.png    pictures of the data, exactly as the network gets them (PNG without colour profile)
 *   data/photographs/*.jpg the photographs some of the pictures were cut from, at most 640 pixels wide
 *   data/film/*.png        the first layer's filters, one strip for each frame and layer
 *
 * All paths in these files are relative to index.html and use "/".
 *
 * One file (--single-file): index.html alone. It holds every other file of the folder, except assets that are scripts
 * and styles (these stand in the page itself), as an element of its own:
 *     <script type="text/plain" data-file="data/net.onnx">BASE64</script>
 * so reading a file is: look for the element whose data-file is the path, else fetch(path). Such a page has no base
 * address to fetch from; `document.documentElement.dataset.single` is "yes" there.
 * For this the build must give ONE script (type="module", no other chunks: inlineDynamicImports) and ONE style sheet,
 * both named by index.html with relative addresses, and one
 *     <meta http-equiv="Content-Security-Policy" content="...">
 * whose content the writer replaces in a single file, where scripts and styles are named by their SHA-256. Nothing may
 * depend on import.meta.url; onnxruntime-web gets its WebAssembly as bytes (env.wasm.wasmBinary).
 */

export const FORMAT = 1;

/** A text in one language, or by language code; a language that is absent falls back to "en", then to any. */
export type Words = string | Record<string, string>;

// ---------------------------------------------------------------------------------------------------- exhibit.toml

/** The curator's file. Every key may be absent: then Exhibit.defaults holds, then the page's own default. */
export interface Curator {
  title?: Words;
  introduction?: Words;
  /** A picture beside index.html. */
  logo?: string;
  /** What a screen reader says for the logo. */
  logo_alt?: Words;
  /** Lines at the end of the page on what was published. */
  credits?: Words[];
  /** Order of the language buttons; the first one is what a visitor finds. */
  languages?: string[];
  kiosk?: boolean;
  /** Without a touch for so long, the exhibit forgets the visitor and begins anew. */
  idle_seconds?: number;
  /** Which scenes there are, in this order. */
  scenes?: SceneName[];
  /** false: the camera is not offered. */
  camera?: boolean;
  /** More pictures to choose from, files beside index.html. */
  pictures?: CuratorPicture[];
  /** false: only the curator's own pictures are offered. */
  own_pictures_only?: boolean;
}

export interface CuratorPicture {
  file: string;
  title?: Words;
  alt?: Words;
  credit?: string;
}

export type SceneName = "show" | "inside" | "break" | "learned" | "nights";

// ------------------------------------------------------------------------------------------------ data/exhibit.json

export interface Exhibit {
  format: number;
  /** What the command line said; exhibit.toml goes before it. */
  defaults: { title: string | null; languages: string[] | null; kiosk: boolean };
  /** When the folder was written, ISO date, and by which version of alexnet-archive. */
  made: { date: string; version: string };
  net: Net;
  pictures: Picture[];
  /** Photographs that pictures were cut from; empty where the data are not the built-in photographs. */
  photographs: Photograph[];
  /** The strongest response of every filter that looks at the picture; empty where the data were not found. */
  patches: Patches[];
  history: History;
  /** null: the run kept no record while it trained (an older run, or one of the native engine). */
  film: Film | null;
  release: Release;
  /** What could not be put into the exhibit, and why, in English, for the curator (show on the page about the exhibit). */
  left_out: { what: "pictures" | "patches" | "film" | "history"; why: string }[];
}

export interface Net {
  /** As the run names it, e.g. "demo". */
  name: string;
  /** "paper": layer by layer the network of the paper; "demo": that of `alexnet-archive demo`; else "other". */
  kind: "demo" | "paper" | "other";
  /** Batches and epochs trained; 0 batches: random weights, and the page must say so. */
  trained: { batches: number; epochs: number };
  parameters: number;
  /** Multiply-adds of one forward pass of one picture. */
  multiply_adds: number;
  input: Input;
  classes: NetClass[];
  /** Of the softmax: its ONNX output is (N, classes.length) probabilities, unused classes among them. */
  answer: string;
  /** In file order; parents come before children. Costs and labels are left out, data is there. */
  layers: Layer[];
  devices: Device[];
  /** Every copy of a layer's output from one device to another in a forward pass, for ONE picture. */
  crossings: Crossing[];
  switches: Switch[];
}

/** How a picture becomes the network's input. */
export interface Input {
  /** Name of the graph's input: float32 (N, 3, side, side), R G B planes, 0..255; the graph subtracts the mean itself. */
  name: string;
  /** Side of the square that the network sees, pixels. */
  side: number;
  /** Side of the stored square it is cut from: scale the shorter side of a picture to this, cut out the centre square. */
  stored: number;
  /** Where the views lie in the stored square; [0] is the centre, the one that counts where there is one view. */
  views: { x: number; y: number; flip: boolean }[];
}

export interface NetClass {
  name: string;
  /** The network has a unit for it and the data did not: never show it, its probability is of no meaning. */
  unused: boolean;
}

export interface Layer {
  name: string;
  /** The layer language's type: "data", "conv", "local", "fc", "pool", "cmrnorm", "rnorm", "cnorm", "hs", "softmax",
   * "neuron" (one that stands alone), "concat", "eltsum", "eltmax", "nailbed", "blur", "href"... */
  type: string;
  /** What it does, coarsely, for colours and for words. "dropout" is type hs, "normalise" all three norms. */
  role: "picture" | "filters" | "units" | "pool" | "normalise" | "dropout" | "answer" | "other";
  /** Function on the outputs ("relu"...), "" for none. It is part of the layer here. */
  neuron: string;
  /** Number of the GPU of 2012; -1 is the computer itself (the data). */
  device: number;
  /** Names of the layers that it reads, data included. */
  parents: string[];
  /** Row in a drawing from top to bottom: longest way from the picture. */
  rank: number;
  /** Name of the ONNX output with what the layer hands on: after its neuron and after its mask. Image layers are
   * (N, C, H, W), others (N, C). For the data: the picture minus the mean. */
  tensor: string;
  /** The same before the neuron and the mask, null where there is no neuron. */
  before: string | null;
  /** [C, H, W], [C, 1, 1] for what is not an image. */
  shape: [number, number, number];
  image: boolean;
  parameters: number;
  /** Filters and windows, one entry for each parent (pool and norms have one); null for fully connected and others. */
  windows: Window[] | null;
  /** What a unit of it sees of the picture; null where every unit sees all of it. Rows and columns alike: unit (y, x)
   * sees rows from `start + step * y`, `side` of them (clip to the picture: filters hang over the edge). */
  sees: { start: number; step: number; side: number } | null;
  /** First-layer filters are drawn from data/film; this names the strip of the last frame, null for other layers. */
  filters: FilterStrip | null;
}

export interface Window {
  parent: string;
  side: number;
  stride: number;
  /** Pixels added at the edge on top and left (positive). */
  padding: number;
  channels: number;
}

/** Filters side by side in one PNG: filter i is the square at column i % columns, row floor(i / columns). */
export interface FilterStrip {
  file: string;
  /** Side of one filter in pixels: draw enlarged without smoothing. */
  side: number;
  columns: number;
  count: number;
}

export interface Device {
  id: number;
  /** Inputs of the graph that switch this GPU off when all of their values are 0. The layer that gives the answers is not
   * among them: it stays, and has to do without what the GPU would have told it. */
  masks: string[];
}

export interface Crossing {
  from: string;
  /** Layers on the other device that read it. */
  to: string[];
  /** -1: the picture on its way from the computer to a GPU. */
  from_device: number;
  to_device: number;
  /** Of one picture, float32. */
  bytes: number;
}

/**
 * The graph (data/net.onnx, opset 17): inputs are the picture, then one for each switch. ALL inputs must be fed in every
 * run; the neutral value of every switch is 1 everywhere. Outputs are `tensor` and `before` of all layers: ask only for
 * those that are shown. N may be any number (ten views, an occlusion map in one run); switches have N = 1.
 */
export interface Switch {
  /** Name of the graph's input. */
  input: string;
  layer: string;
  /** "mask": multiplied on the layer's output, 0 switches a filter or unit off; "normalisation": one number, 1 = as
   * trained, 0 = passed through unchanged; "dropout": multiplied on top of the test-time factor: 1 = as in a test;
   * as in training = for each value 0 with probability 1 - keep, else 1 / keep. */
  kind: "mask" | "normalisation" | "dropout";
  /** Shape to feed, e.g. [1, 96, 1, 1], [1, 4096], [1]. */
  shape: number[];
  /** Share of values that dropout keeps, else null. */
  keep: number | null;
}

export interface Picture {
  file: string;
  /** Pixels; either Input.stored (has room for the views) or Input.side (the network's square itself). */
  side: number;
  /** Index into Net.classes, null where it is not known. */
  truth: number | null;
  /** Offer it to visitors. The others are there for the film and the patches. */
  shown: boolean;
  credit: string | null;
  /** Index into Exhibit.photographs of the photograph that it was cut from. */
  photograph: number | null;
}

export interface Photograph {
  file: string;
  width: number;
  height: number;
  /** Index into Net.classes. */
  truth: number;
  credit: string;
}

/** For one first layer: where the data make its filters respond most. */
export interface Patches {
  layer: string;
  /** One for each filter, in order. Box in pixels of the network's square of that picture (side Input.side: if the picture
   * is stored larger, of its centre square); it may hang over the edge. null: the filter never responds. */
  strongest: ({ picture: number; x: number; y: number; side: number; response: number } | null)[];
}

export interface History {
  /** Batches in one epoch. */
  epoch: number;
  /** One for each test while training, in order. Shares 0..1; top5 null where the run did not record it. */
  tests: { batch: number; error: number; top5: number | null; cost: number; pictures: number }[];
  /** Training, at most 600 points (means over equal stretches). */
  training: { batch: number; cost: number; error: number | null }[];
  /** What "top5" is: the k of top-k, 5 in the paper. */
  topk: number;
}

export interface Film {
  /** Pictures (indices) that the network was asked about at every frame. */
  pictures: number[];
  frames: Frame[];
}

export interface Frame {
  /** Batches trained so far, and the same in epochs. */
  batch: number;
  epoch: number;
  /** Error of the test at that time, share 0..1; null in a frame before the first batch. */
  error: number | null;
  /** By layer name. All frames of a layer are scaled alike: a filter's largest value in the whole film is full contrast,
   * mid-grey (128) is 0. */
  filters: Record<string, FilterStrip>;
  /** Per picture of Film.pictures: its best five classes with probabilities, best first. Wrong where top[0].class is not
   * the picture's truth. */
  answers: { top: { class: number; probability: number }[] }[];
}

/** Facts about the publication of 2025, from original/release.toml; no text of the release. */
export interface Release {
  name: string;
  publisher: string;
  /** ISO date. */
  announced: string;
  home: string;
  licence: string;
  holder: string;
  files: number;
  /** Kinds of files: how many of each role. */
  kinds: { kind: string; files: number }[];
  /** What the release needs and does not contain. "written": this project has written it anew, from a specification. */
  missing: { name: string; kind: "header" | "python" | "extension" | "build" | "data"; written: boolean }[];
}

// ----------------------------------------------------------------------------------------------- data/notebook.json

export interface Notebook {
  /** In the order of the record. All of it ships with alexnet-archive; an acquired release adds nothing here. */
  runs: Run[];
  /** Figures of the paper beside the notebook's. */
  paper: PaperRow[];
}

export interface Run {
  id: string;
  /** ISO date, null where the files do not say. */
  started: string | null;
  gpus: number;
  /** e.g. "LSVRC-2010", "LSVRC-2012"; "..., inferred" and "1000 classes, year not stated" say how sure that is. */
  dataset: string;
  layers: number | null;
  /** Shares 0..1 of the validation or test set, averages over ten views unless centre_only; null: not recorded. */
  top1: number | null;
  top5: number | null;
  centre_only: boolean;
  epochs: string;
  convolutions: string;
  /** Short phrases in English: "relu", "max pool", "dropout"... */
  features: string[];
  note: string;
  remarks: string[];
  parents: { id: string; relation: Relation }[];
  children: { id: string; relation: Relation }[];
  /** Against the first parent that is a run on record; null where there is none. */
  change: Change | null;
  /** Steps by hand while it ran (learning rates, pauses...), in order; empty where no note tells. */
  steps: Step[];
}

/** weights: started from its weights; continued: the same run trained on; definition: runs its definition;
 * shape: modelled on it; named: named after it; compared: judged against it. */
export type Relation = "weights" | "continued" | "definition" | "shape" | "named" | "compared";

export interface Change {
  from: string;
  relation: Relation;
  added: string[];
  removed: string[];
  /** [before, after] where the convolutions differ. */
  convolutions: [string, string] | null;
  gpus: [number, number] | null;
  dataset: [string, string] | null;
  /** Points of top-5 error (0.01 is one point) that it gained (negative) or lost; null unless both runs were measured alike on
   * the same data. */
  top5: number | null;
}

export interface Step {
  epoch: string;
  quantity: string;
  layers: string;
  from: string;
  to: string;
  certainty: "noted" | "inferred";
}

export interface PaperRow {
  id: string;
  /** The run it is compared with, where the row is a difference between two. */
  against: string | null;
  what: string;
  /** Percent, or points with `against`: top-1 and top-5. */
  paper: [number, number];
  notebook: [number, number];
  meets: boolean;
}
