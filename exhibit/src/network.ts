/**
 * The network itself: the ONNX graph, run by onnxruntime-web from bytes that lie in the folder.
 *
 * It is computed by WebAssembly everywhere; a large network moves to the graphics processor where the browser has WebGPU and
 * the answers are the same and sooner there (`faster`).
 *
 * One run at a time: a second one waits. Every switch of the graph is fed in each run; the neutral value is 1.
 */

import * as plain from "onnxruntime-web/wasm";
import type * as ort from "onnxruntime-web/wasm";
import * as onGpu from "onnxruntime-web/webgpu";

import type { Net, Switch } from "./contract";
import { readBytes, unpack } from "./files";

type Provider = "wasm" | "webgpu";

const RUNTIMES = {
  wasm: { runtime: plain, file: "assets/runtime.wasm.gz" },
  webgpu: { runtime: onGpu, file: "assets/runtime-webgpu.wasm.gz" },
};

/** What a run is asked with: values by switch input; those that are absent are neutral. */
export type Changes = Record<string, Float32Array>;

/** Values of a tensor, with its shape (N first). */
export interface Values {
  data: Float32Array;
  dims: readonly number[];
}

export class Network {
  private heir: Network | null = null;
  private waiting: Promise<unknown> = Promise.resolve();
  private readonly neutral: Record<string, ort.Tensor> = {};

  private constructor(
    readonly net: Net,
    private readonly session: ort.InferenceSession,
    readonly provider: Provider,
  ) {
    for (const item of net.switches) this.neutral[item.input] = new plain.Tensor("float32", ones(item), item.shape);
  }

  static async open(net: Net, provider: Provider = "wasm"): Promise<Network> {
    const { runtime, file } = RUNTIMES[provider];
    const [wasm, graph] = await Promise.all([readBytes(file).then(unpack), readBytes("data/net.onnx")]);
    runtime.env.wasm.wasmBinary = wasm.buffer;
    runtime.env.wasm.numThreads = 1; // more need headers (COOP, COEP) that file:// and plain servers do not send
    runtime.env.wasm.proxy = false;
    runtime.env.logLevel = "error";
    const session = await runtime.InferenceSession.create(graph, { executionProviders: [provider], graphOptimizationLevel: "all", logSeverityLevel: 3 });
    runtime.env.wasm.wasmBinary = undefined;
    return new Network(net, session, provider);
  }

  /** Give its memory back, after what it is doing; who still asks it is answered by `heir`. */
  async close(heir: Network | null = null): Promise<void> {
    this.heir = heir;
    await this.waiting;
    await this.session.release();
  }

  /** Run `count` pictures (side x side, planes R G B, 0..255) and give the tensors that are named. */
  run(pictures: Float32Array, tensors: string[], changes: Changes = {}): Promise<Record<string, Values>> {
    if (this.heir) return this.heir.run(pictures, tensors, changes);
    const done = this.waiting.then(() => this.runNow(pictures, tensors, changes));
    this.waiting = done.catch(() => undefined);
    return done;
  }

  private async runNow(pictures: Float32Array, tensors: string[], changes: Changes): Promise<Record<string, Values>> {
    const { name, side } = this.net.input;
    const feeds: Record<string, ort.Tensor> = { ...this.neutral };
    feeds[name] = new plain.Tensor("float32", pictures, [pictures.length / (3 * side * side), 3, side, side]);
    for (const item of this.net.switches) {
      const value = changes[item.input];
      if (value) feeds[item.input] = new plain.Tensor("float32", value, item.shape);
    }
    const given = await this.session.run(feeds, [...new Set(tensors)]);
    const values: Record<string, Values> = {};
    for (const [tensor, value] of Object.entries(given)) {
      values[tensor] = { data: value.data as Float32Array, dims: value.dims };
    }
    return values;
  }

  /** Probabilities of the classes for each picture. */
  async answers(pictures: Float32Array, changes: Changes = {}): Promise<Float32Array[]> {
    const { tensor } = this.net.layers.find((layer) => layer.name === this.net.answer)!;
    const { data, dims } = (await this.run(pictures, [tensor], changes))[tensor]!;
    const classes = dims[1]!;
    return Array.from({ length: dims[0]! }, (_, row) => data.slice(row * classes, (row + 1) * classes));
  }
}

/** Multiply-adds from which it pays to move to a graphics processor: below, sending a picture there takes longer. */
const LARGE = 100e6;
/** How far probabilities may be apart on the two; answers beyond that are those of a faulty driver. */
const APART = 1e-3;

/** The same network on the graphics processor, where there is one, the network is large, and it answers alike and sooner. */
export async function faster(slow: Network): Promise<Network | null> {
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu;
  if (slow.net.multiply_adds < LARGE || !gpu || !(await gpu.requestAdapter().catch(() => null))) return null;
  let found: Network;
  try {
    found = await Network.open(slow.net, "webgpu");
  } catch {
    return null;
  }
  const picture = Float32Array.from({ length: 3 * slow.net.input.side ** 2 }, (_, i) => (i * 7919) % 256);
  const [here, there] = [await timed(slow, picture), await timed(found, picture).catch(() => null)];
  if (there && there.seconds < here.seconds && here.answer.every((value, i) => Math.abs(value - there.answer[i]!) <= APART)) return found;
  await found.close();
  return null;
}

/** The second of two runs: the first one also makes ready. */
async function timed(one: Network, picture: Float32Array): Promise<{ answer: Float32Array; seconds: number }> {
  await one.answers(picture);
  const start = performance.now();
  const [answer] = await one.answers(picture);
  return { answer: answer!, seconds: (performance.now() - start) / 1000 };
}

/** The neutral value of a switch. */
export function ones(item: Switch): Float32Array {
  return new Float32Array(item.shape.reduce((product, size) => product * size, 1)).fill(1);
}

/** A guess: a class that the data have, and how sure the network is of it. */
export interface Guess {
  class: number;
  name: string;
  probability: number;
}

/** The best guesses first; classes that were never learned are left out. */
export function best(net: Net, probabilities: ArrayLike<number>, count = 5): Guess[] {
  const known = net.classes.map((item, index) => ({ class: index, name: item.name, probability: probabilities[index] ?? 0, unused: item.unused }));
  return known
    .filter((item) => !item.unused)
    .sort((a, b) => b.probability - a.probability)
    .slice(0, count)
    .map(({ class: index, name, probability }) => ({ class: index, name: name.split(",")[0]!, probability }));
}

/** The mean of several answers: what ten views together say. */
export function mean(answers: Float32Array[]): Float32Array {
  const sum = new Float32Array(answers[0]!.length);
  for (const one of answers) one.forEach((value, index) => (sum[index]! += value / answers.length));
  return sum;
}
