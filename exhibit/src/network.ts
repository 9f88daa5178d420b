/**
 * The network itself: the ONNX graph, run by onnxruntime-web from bytes that lie in the folder.
 *
 * One run at a time: a second one waits. Every switch of the graph is fed in each run; the neutral value is 1.
 */

import * as ort from "onnxruntime-web/wasm";

import type { Layer, Net, Switch } from "./contract";
import { readBytes, unpack } from "./files";

/** What a run is asked with: values by switch input; those that are absent are neutral. */
export type Changes = Record<string, Float32Array>;

/** Values of a tensor, with its shape (N first). */
export interface Values {
  data: Float32Array;
  dims: readonly number[];
}

export class Network {
  private waiting: Promise<unknown> = Promise.resolve();
  private readonly neutral: Record<string, ort.Tensor> = {};
  private readonly layers: Map<string, Layer>;

  private constructor(
    readonly net: Net,
    private readonly session: ort.InferenceSession,
  ) {
    this.layers = new Map(net.layers.map((layer) => [layer.name, layer]));
    for (const item of net.switches) this.neutral[item.input] = new ort.Tensor("float32", ones(item), item.shape);
  }

  static async open(net: Net): Promise<Network> {
    const [runtime, graph] = await Promise.all([readBytes("assets/runtime.wasm.gz").then(unpack), readBytes("data/net.onnx")]);
    ort.env.wasm.wasmBinary = runtime.buffer;
    ort.env.wasm.numThreads = 1; // more need headers (COOP, COEP) that file:// and plain servers do not send
    ort.env.wasm.proxy = false;
    ort.env.logLevel = "error";
    const session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
    ort.env.wasm.wasmBinary = undefined;
    return new Network(net, session);
  }

  layer(name: string): Layer {
    const found = this.layers.get(name);
    if (!found) throw new Error(`the network has no layer ${name}`);
    return found;
  }

  /** Run `count` pictures (side x side, planes R G B, 0..255) and give the tensors that are named. */
  run(pictures: Float32Array, tensors: string[], changes: Changes = {}): Promise<Record<string, Values>> {
    const done = this.waiting.then(() => this.runNow(pictures, tensors, changes));
    this.waiting = done.catch(() => undefined);
    return done;
  }

  private async runNow(pictures: Float32Array, tensors: string[], changes: Changes): Promise<Record<string, Values>> {
    const { name, side } = this.net.input;
    const feeds: Record<string, ort.Tensor> = { ...this.neutral };
    feeds[name] = new ort.Tensor("float32", pictures, [pictures.length / (3 * side * side), 3, side, side]);
    for (const item of this.net.switches) {
      const value = changes[item.input];
      if (value) feeds[item.input] = new ort.Tensor("float32", value, item.shape);
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
    const tensor = this.layer(this.net.answer).tensor;
    const { data, dims } = (await this.run(pictures, [tensor], changes))[tensor]!;
    const classes = dims[1]!;
    return Array.from({ length: dims[0]! }, (_, row) => data.slice(row * classes, (row + 1) * classes));
  }
}

function ones(item: Switch): Float32Array {
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
