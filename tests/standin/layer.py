"""Layer files into layer dictionaries: the part of the layer language that the stand-in has.

Written from layer-language sections 1 to 5 and 7; what is outside that part is refused, never ignored.
"""

import os
import re
from ConfigParser import SafeConfigParser
from math import ceil, sqrt

import numpy as n

from options import OptionsParser
from ordereddict import OrderedDict


class LayerParsingError(Exception):
    pass


class LayerFile(SafeConfigParser):
    def __init__(self, path):
        SafeConfigParser.__init__(self, dict_type=OrderedDict)
        if not os.path.exists(path):
            raise LayerParsingError("There is no layer file %s" % path)
        self.read([path])

    def text(self, section, key, default=None):
        if self.has_option(section, key):
            return self.get(section, key).strip()
        if default is None:
            raise LayerParsingError("Layer '%s': required key '%s' is missing" % (section, key))
        return default

    def of_type(self, kind, section, key, default=None):
        text = self.text(section, key, default)
        try:
            return kind(text)
        except ValueError:
            raise LayerParsingError("Layer '%s', key '%s': cannot read %r" % (section, key, text))

    def integer(self, section, key, default=None):
        return self.of_type(int, section, key, default)

    def number(self, section, key, default=None):
        return self.of_type(float, section, key, default)

    def truth(self, section, key, default=None):
        text = str(self.text(section, key, default)).lower()
        if text not in ("1", "yes", "true", "on", "0", "no", "false", "off"):
            raise LayerParsingError("Layer '%s', key '%s': no truth value: %s" % (section, key, text))
        return text in ("1", "yes", "true", "on")

    def listed(self, kind, section, key, count, default=None):
        if default is not None and not self.has_option(section, key):
            return [default] * count
        try:
            values = [kind(part.strip()) for part in self.text(section, key).split(",")]
        except ValueError:
            raise LayerParsingError("Layer '%s', key '%s': a value cannot be read" % (section, key))
        if len(values) != count:
            raise LayerParsingError("Layer '%s', key '%s': %d values expected" % (section, key, count))
        return values


def neuron(text):
    """{'type', 'params', 'usesActs', 'usesInputs'} of an activation (section 3.1)."""
    match = re.match(r"^(\w+)\s*(?:\[([\d,.\s-]*)\])?\s*$", text)
    names = {"relu": "", "logistic": "", "tanh": "ab"}
    if match is None or match.group(1) not in names:
        raise LayerParsingError("No neuron %s; there are %s" % (text, ", ".join(sorted(names))))
    numbers = [float(part) for part in (match.group(2) or "").split(",") if part.strip()]
    letters = names[match.group(1)]
    if len(numbers) != len(letters):
        raise LayerParsingError("Neuron %s takes %d parameters" % (match.group(1), len(letters)))
    return {"type": match.group(1), "params": dict(zip(letters, numbers)), "usesActs": True, "usesInputs": False}


def schedule(text):
    """{'type', 'params'} of a learning-rate schedule (section 5.4); noise and steps are not in the stand-in."""
    if re.match(r"^default\s*(\[\s*\])?$", text, re.I):
        return {"type": "default", "params": {}}
    value = r"\s*=\s*([^,\s=\]]+)\s*"
    match = re.match(r"^(linear|exp)\s*\[\s*tgtFactor" + value + r",\s*noiseStdev" + value + r"\]\s*$", text, re.I)
    if match is None or float(match.group(3)) != 0:
        raise LayerParsingError("Schedule %s is not in the stand-in" % text)
    return {"type": match.group(1).lower(), "params": {"tgtFactor": float(match.group(2)), "noiseStdev": 0.0}}


def base(name, kind):
    return {"name": name, "type": kind, "outputs": 0, "gpu": -1, "requiresParams": False, "usesActs": True,
            "usesInputs": True, "forceOwnActs": True, "gradConsumer": False}


def image(layer, channels, pixels):
    side = int(sqrt(pixels // channels)) if channels > 0 else 0
    if side < 1 or side * side * channels != pixels:
        raise LayerParsingError("Layer '%s': input is no square image of %d channels" % (layer["name"], channels))
    return side


def parse_weights(f, name, layer, inputs):
    layer["requiresParams"] = True
    layer["gradConsumer"] = True
    layer["initW"] = f.listed(float, name, "initW", inputs)
    layer["initB"] = f.number(name, "initB", 0.0)
    layer["initWFunc"] = layer["initBFunc"] = ""
    layer["weightSource"] = f.listed(str, name, "weightSource", inputs, "")
    if any(layer["weightSource"]) or f.has_option(name, "initWFunc") or f.has_option(name, "initBFunc"):
        raise LayerParsingError("Layer '%s': shared or externally initialised weights are not in the stand-in" % name)
    layer["weightSourceLayers"] = [""] * inputs
    layer["weightSourceMatrixIndices"] = [-1] * inputs


def make_weights(layer, shapes, bias_shape, order):
    layer["weights"] = [n.array(scale * n.random.randn(*shape), dtype=n.single, order=order)
                        for scale, shape in zip(layer["initW"], shapes)]
    layer["weightsInc"] = [n.zeros_like(weights) for weights in layer["weights"]]
    layer["biases"] = n.array(n.ones(bias_shape) * layer["initB"], dtype=n.single, order=order)
    layer["biasesInc"] = n.zeros_like(layer["biases"])


def parse_fc(f, name, layer, model):
    sizes = layer["numInputs"]
    parse_weights(f, name, layer, len(sizes))
    layer["outputs"] = f.integer(name, "outputs")
    if layer["outputs"] < 1:
        raise LayerParsingError("Layer '%s': outputs must be at least 1" % name)
    layer["weightsPerFilter"] = sizes[:]
    make_weights(layer, [(size, layer["outputs"]) for size in sizes], (1, layer["outputs"]), "F")


def parse_conv(f, name, layer, model):
    sizes = layer["numInputs"]
    count = len(sizes)
    parse_weights(f, name, layer, count)
    for key, default in (("channels", None), ("padding", 0), ("stride", 1), ("filterSize", None), ("groups", 1)):
        layer[key] = f.listed(int, name, key, count, default)
    filters = [per * groups for per, groups in zip(f.listed(int, name, "filters", count), layer["groups"])]
    layer["imgSize"] = [image(layer, channels, size) for channels, size in zip(layer["channels"], sizes)]
    layer["imgPixels"] = [side * side for side in layer["imgSize"]]
    layer["filterPixels"] = [size * size for size in layer["filterSize"]]
    layer["filterChannels"] = [c // g for c, g in zip(layer["channels"], layer["groups"])]
    modules = [1 + int(ceil((2 * p + i - s) / float(t))) for p, i, s, t in zip(
        layer["padding"], layer["imgSize"], layer["filterSize"], layer["stride"])]
    if len(set(modules)) > 1 or len(set(filters)) > 1:
        raise LayerParsingError("Layer '%s': its inputs make outputs of different sizes" % name)
    for i in range(count):
        channels, groups = layer["channels"][i], layer["groups"][i]
        if channels > 3 and channels % 4 or groups > 1 and channels % (4 * groups) or filters[0] % (16 * groups):
            raise LayerParsingError("Layer '%s': channels, groups and filters do not divide" % name)
        if layer["filterSize"][i] > 2 * layer["padding"][i] + layer["imgSize"][i]:
            raise LayerParsingError("Layer '%s': the filter is larger than the image" % name)
    layer["padding"] = [-padding for padding in layer["padding"]]
    layer["filters"], layer["modulesX"], layer["modules"] = filters[0], modules[0], modules[0] ** 2
    layer["outputs"] = layer["modules"] * layer["filters"]
    layer["randSparse"], layer["overSample"], layer["filterConns"] = [False] * count, [1] * count, [[]] * count
    layer["initCFunc"] = ""
    layer["weightsPerFilter"] = [c * s for c, s in zip(layer["filterChannels"], layer["filterPixels"])]
    layer["partialSum"] = f.integer(name, "partialSum")
    layer["sharedBiases"] = f.truth(name, "sharedBiases", True)
    if layer["partialSum"] != 0 and layer["modules"] % layer["partialSum"]:
        raise LayerParsingError("Layer '%s': partialSum does not divide the modules" % name)
    biases = layer["filters"] if layer["sharedBiases"] else layer["outputs"]
    make_weights(layer, [(rows, layer["filters"]) for rows in layer["weightsPerFilter"]], (biases, 1), "C")


def parse_image(f, name, layer):
    layer["channels"] = f.integer(name, "channels")
    layer["imgSize"] = image(layer, layer["channels"], layer["numInputs"][0])
    layer["imgPixels"] = layer["imgSize"] ** 2


def parse_pool(f, name, layer, model):
    parse_image(f, name, layer)
    for key, default in (("sizeX", None), ("start", 0), ("stride", None), ("outputsX", 0)):
        layer[key] = f.integer(name, key, default)
    layer["pool"] = f.text(name, "pool")
    if layer["pool"] not in ("max", "avg") or not 1 <= layer["stride"] <= layer["sizeX"] <= layer["imgSize"]:
        raise LayerParsingError("Layer '%s': pool, sizeX or stride out of range" % name)
    if layer["outputsX"] == 0:
        layer["outputsX"] = int(ceil((layer["imgSize"] - layer["start"] - layer["sizeX"]) / float(layer["stride"]))) + 1
    layer["outputs"] = layer["outputsX"] ** 2 * layer["channels"]


def parse_cmrnorm(f, name, layer, model):
    parse_image(f, name, layer)
    layer["requiresParams"] = True
    layer["size"] = f.integer(name, "size")
    layer["blocked"] = f.truth(name, "blocked", False)
    if layer["channels"] % 16 or not 2 <= layer["size"] <= layer["channels"]:
        raise LayerParsingError("Layer '%s': channels or size out of range" % name)
    layer["outputs"] = layer["numInputs"][0]


def parse_same(f, name, layer, model):
    layer["outputs"] = layer["numInputs"][0]


def parse_neuron(f, name, layer, model):
    layer["neuron"] = neuron(layer["neuron"])
    layer["outputs"] = layer["numInputs"][0]


def parse_hs(f, name, layer, model):
    layer["requiresParams"] = True
    layer["keep"] = f.number(name, "keep")
    layer["outputs"] = layer["numInputs"][0]


def parse_logreg(f, name, layer, model):
    layer["requiresParams"] = True
    del layer["neuron"]
    labels, probs = layer["inputLayers"]
    if labels["outputs"] != 1 or probs["type"] != "softmax" or probs["gpu"] != layer["gpu"]:
        raise LayerParsingError("Layer '%s': wants labels and a softmax on its own device" % name)
    if probs["outputs"] != model.train_data_provider.get_num_classes():
        raise LayerParsingError("Layer '%s': the softmax and the data differ in the number of classes" % name)


PARSERS = {"fc": (parse_fc, None), "conv": (parse_conv, None), "pool": (parse_pool, 1),
           "cmrnorm": (parse_cmrnorm, 1), "neuron": (parse_neuron, 1), "hs": (parse_hs, 1),
           "softmax": (parse_same, 1), "cost.logreg": (parse_logreg, 2)}


def parse_layer(f, name, layers, model):
    kind = f.text(name, "type")
    layer = base(name, kind)
    if kind == "data":
        layer["dataIdx"] = f.integer(name, "dataIdx")
        layer["outputs"] = model.train_data_provider.get_data_dims(layer["dataIdx"])
        return layer
    if kind not in PARSERS:
        raise LayerParsingError("Layer '%s': type %s is not in the stand-in" % (name, kind))
    parser, fixed = PARSERS[kind]
    layer["inputs"] = [part.strip() for part in f.text(name, "inputs").split(",")]
    unknown = [given for given in layer["inputs"] if given not in layers or layers[given]["outputs"] == 0]
    if unknown or (fixed is not None and len(layer["inputs"]) != fixed):
        raise LayerParsingError("Layer '%s': unknown inputs, or not as many as its type takes" % name)
    layer["inputLayers"] = [layers[given] for given in layer["inputs"]]
    layer["numInputs"] = [given["outputs"] for given in layer["inputLayers"]]
    layer["neuron"] = f.text(name, "neuron", "")
    layer["gpu"] = f.integer(name, "gpu", layer["inputLayers"][0]["gpu"])
    if not 0 <= layer["gpu"] < model.op.get_value("num_gpus"):
        raise LayerParsingError("Layer '%s': gpu %d is not among the devices" % (name, layer["gpu"]))
    parser(f, name, layer, model)
    return layer


def detach_neurons(layers):
    """Every `neuron=` becomes a layer of its own between the layer and its consumers (section 3.2)."""
    for source in [layer for layer in layers.values() if layer.get("neuron") and layer["type"] != "neuron"]:
        layer = base(source["name"] + "_neuron", "neuron")
        layer.update(inputs=[source["name"]], inputLayers=[source], numInputs=[source["outputs"]],
                     outputs=source["outputs"], gpu=source["gpu"], neuron=neuron(source["neuron"]),
                     src_layer=source["name"], forceOwnActs=False, usesInputs=False)
        for other in layers.values():
            for i, given in enumerate(other.get("inputs", [])):
                if given == source["name"]:
                    other["inputs"][i], other["inputLayers"][i] = layer["name"], layer
        layers[layer["name"]] = layer


def parse_params(f, layer, model):
    name = layer["name"]
    layer["quantF"] = layer["quantB"] = {"type": "default", "params": {}}
    layer["conserveMem"] = model.op.get_value("conserve_mem")
    if layer["requiresParams"] and not f.has_section(name):
        raise LayerParsingError("Layer '%s' has no section in the parameter file" % name)
    if "weights" in layer:
        count = len(layer["weights"])
        for key, default in (("epsW", None), ("momW", None), ("wc", 0.0), ("wball", 0.0)):
            layer[key] = f.listed(float, name, key, count, default)
        for key, default in (("epsB", None), ("momB", None), ("superEps", 0.0), ("superMom", 0.0)):
            layer[key] = f.number(name, key, default)
        layer["wballNormed"] = [ball * per for ball, per in zip(layer["wball"], layer["weightsPerFilter"])]
        if layer["superEps"] > 0 or max(layer["wball"]) > 0:
            raise LayerParsingError("Layer '%s': superEps and wball are not in the stand-in" % name)
        layer["schedW"] = schedule(f.text(name, "schedW", "default"))
        layer["schedB"] = schedule(f.text(name, "schedB", "default"))
        layer["gradConsumer"] = layer["epsB"] > 0 or max(layer["epsW"]) > 0
        if layer["type"] == "conv":
            layer["wcNormMin"] = layer["wcNormMax"] = [0.0] * count
    elif layer["type"] == "cmrnorm":
        layer["scale"] = f.number(name, "scale") / layer["size"]
        layer["pow"] = f.number(name, "pow")
        layer["minDiv"] = f.number(name, "minDiv", 1.0)
    elif layer["type"] == "hs":
        layer["enable"] = f.truth(name, "enable")
    elif layer["type"] == "cost.logreg":
        layer["coeff"] = f.number(name, "coeff")
        layer["topk"] = f.integer(name, "topk", 1)


def parse_layers(layer_def, layer_params, model, layers=None):
    """Name -> layer dictionary. With `layers` of a checkpoint only the parameter file is read anew (section 4.6)."""
    fresh = layers is None
    f, params = LayerFile(layer_def), LayerFile(layer_params)
    if fresh:
        layers = {}
        for name in f.sections():
            layers[name] = parse_layer(f, name, layers, model)
            print "%s %s on gpu %d: %d outputs" % (
                OptionsParser._bold(layers[name]["type"]), name, layers[name]["gpu"], layers[name]["outputs"])
        detach_neurons(layers)
        used = set(given for layer in layers.values() for given in layer.get("inputs", []))
        for layer in layers.values():
            layer["actsTarget"] = layer["actsGradTarget"] = -1
            if layer["name"] not in used and not layer["type"].startswith("cost."):
                raise LayerParsingError("Layer '%s' is used by no one" % layer["name"])
    for layer in layers.values():
        parse_params(params, layer, model)
    return layers
