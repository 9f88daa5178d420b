"""Every check of the definition file, one row each. Checked against layer-language sections 1.3, 1.4, 1.6, 2, 3.2 and 4.

A row: what the layer under test says, the kind of failure (E clean, U unclean), the key it is reported at, and a piece of
the specification's reason. The base net has 16x16x3 pictures in `data`, 1 `labels`, 10 `targets`, conv 16x16x16, 10 classes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alexnet_archive.errors import LayerFileError
from alexnet_archive.layerdefs import DataShape, read_network
from tests.unit.layerdefs.layerfiles import BASE, SHAPE, problems, read, with_layer

CONV = "type=conv\ninputs=data\ngpu=0\nchannels=3\nfilters=16\nfilterSize=5\ninitW=1\npartialSum=0\n"
TWICE = CONV + "inputs=data,data\nchannels=3,3\ninitW=1,1\n"
SPARSE = "type=conv\ninputs=conv\nchannels=16\nfilters=16\nfilterSize=3\ninitW=1\npartialSum=0\nrandSparse=true\n"
POOL = "type=pool\ninputs=conv\nchannels=16\nsizeX=3\nstride=2\npool=max\n"
NORM = "type=cmrnorm\ninputs=conv\nchannels=16\nsize=5\n"
RNORM = "type=rnorm\ninputs=data\ngpu=0\nchannels=3\nsize=3\n"
NAILBED = "type=nailbed\ninputs=data\ngpu=0\nchannels=3\nstride=4\n"
BLUR = "type=blur\ninputs=data\ngpu=0\nchannels=3\nfilterSize=5\nstdev=1\n"
HREF = "type=href\ninputs=data\ngpu=0\nchannels=3\n"
RESIZE = "type=resize\ninputs=data\ngpu=0\nchannels=3\nscale=2\n"
RSCALE = "type=rscale\ninputs=data\ngpu=0\nchannels=3\nmaxScale=1.5\ntgtSize=12\n"
FC = "type=fc\ninputs=conv\noutputs=4\ninitW=1\n"

ROWS: dict[str, tuple[str, str, str | None, str]] = {
    # sections and common keys (1.3, 1.4)
    "no type": ("inputs=conv", "E", "type", "absent"),
    "unknown type": ("type=Conv\ninputs=conv", "E", "type", "did you mean conv"),
    "no inputs": ("type=softmax", "E", "inputs", "absent"),
    "unknown input": ("type=softmax\ninputs=flatt", "E", "inputs", "did you mean flat"),
    "empty input": ("type=eltsum\ninputs=flat,", "E", "inputs", "no layer of this name"),
    "itself": ("type=softmax\ninputs=x", "E", "inputs", "its own input"),
    "later layer": ("type=softmax\ninputs=reads_x", "E", "inputs", "cycle: x -> reads_x -> x"),
    "input without units": ("type=softmax\ninputs=keep1", "E", "inputs", "no units"),
    "input count": ("type=softmax\ninputs=flat,flat", "E", "inputs", "fixed number"),
    "gpu too large": ("type=softmax\ninputs=flat\ngpu=2", "E", "gpu", "not a device"),
    "gpu negative": ("type=softmax\ninputs=flat\ngpu=-1", "E", "gpu", "not a device"),
    "gpu inherited from data": (CONV.replace("gpu=0\n", ""), "E", "gpu", "must be given"),
    "gpu no integer": ("type=softmax\ninputs=flat\ngpu=0.0", "E", "gpu", "not an integer"),
    "bad percent": ("type=softmax\ninputs=flat\ngpu=%d", "U", "gpu", "%%"),
    # data
    "data without index": ("type=data", "E", "dataIdx", "absent"),
    "data index unknown to the provider": ("type=data\ndataIdx=9", "U", "dataIdx", "no such matrix"),
    # fc, treefc and the weight keys (2.2, 2.3, 4.1)
    "fc without outputs": (FC.replace("outputs=4", ""), "E", "outputs", "absent"),
    "fc outputs": (FC.replace("outputs=4", "outputs=0"), "E", "outputs", "at least 1"),
    "initW is required": (FC.replace("initW=1", "initWFunc=m.f"), "E", "initW", "absent"),
    "initW length": (FC.replace("initW=1", "initW=1,1"), "E", "initW", "one element per input"),
    "initW trailing comma": (FC.replace("initW=1", "initW=1,"), "E", "initW", "element"),
    "initB": (FC + "initB=x", "E", "initB", "not a number"),
    "weightSource length": (FC + "weightSource=flat,flat", "E", "weightSource", "one element per input"),
    "weightSource text": (FC + "weightSource=flat[", "E", "weightSource", "not a weight source"),
    "weightSource unknown": (FC + "weightSource=nobody", "E", "weightSource", "not defined before"),
    "weightSource type": (FC + "weightSource=conv", "E", "weightSource", "another type"),
    "weightSource gpu": (FC + "gpu=1\nweightSource=flat", "E", "weightSource", "another GPU"),
    "weightSource without weights": (FC + "weightSource=soft", "E", "weightSource", "another type"),
    "weightSource index": (FC + "weightSource=flat[1]", "E", "weightSource", "no such matrix"),
    "weightSource itself": (FC + "weightSource=x", "E", "weightSource", "own earlier"),
    "weightSource shape": (FC + "weightSource=flat", "E", "weightSource", "another shape"),
    "initWFunc syntax": (FC + "initWFunc=nodot", "E", "initWFunc", "syntax"),
    "initBFunc empty brackets": (FC + "initBFunc=m.f()", "E", "initBFunc", "syntax"),
    "treefc without tree": ("type=treefc\ninputs=flat\ninitW=1", "U", None, "no class tree"),
    "treefc inputs": ("type=treefc\ninputs=flat,flat\ninitW=1,1", "E", "inputs", "fixed number"),
    "treefc shares": ("type=treefc\ninputs=flat\ninitW=1\nweightSource=flat", "E", "weightSource", "cannot share"),
    # conv and local (2.4)
    "channels required": (CONV.replace("channels=3\n", ""), "E", "channels", "absent"),
    "filterSize required": (CONV.replace("filterSize=5\n", ""), "E", "filterSize", "absent"),
    "filters required": (CONV.replace("filters=16\n", ""), "E", "filters", "absent"),
    "channels length": (CONV + "channels=3,3", "E", "channels", "one element per input"),
    "padding length": (CONV + "padding=0,0", "E", "padding", "one element per input"),
    "stride length": (CONV + "stride=1,1", "E", "stride", "one element per input"),
    "filterSize length": (CONV + "filterSize=5,5", "E", "filterSize", "one element per input"),
    "filters length": (CONV + "filters=16,16", "E", "filters", "one element per input"),
    "groups length": (CONV + "groups=1,1", "E", "groups", "one element per input"),
    "randSparse length": (CONV + "randSparse=0,0", "E", "randSparse", "one element per input"),
    "filterChannels length": (SPARSE + "groups=4\nfilterChannels=4,4", "E", "filterChannels", "one element per input"),
    "stride range": (CONV + "stride=0", "E", "stride", "at least 1"),
    "filterSize range": (CONV + "filterSize=0", "E", "filterSize", "at least 1"),
    "padding range": (CONV + "padding=-1", "E", "padding", "at least 0"),
    "channels range": (CONV + "channels=0", "E", "channels", "at least 1"),
    "groups range": (CONV + "groups=0", "E", "groups", "at least 1"),
    "no image left": (CONV + "channels=1000", "E", "channels", "no image"),
    "unequal modules": (TWICE + "filters=16,16\nfilterSize=5,3", "E", "filterSize", "different output sides"),
    "unequal filters": (TWICE + "filters=16,32\nfilterSize=5,5", "E", "filters", "different numbers"),
    "7a square": (CONV + "channels=2", "E", "channels", "square"),
    "7b channels": (CONV + "inputs=tiny\nchannels=9\nfilterSize=1", "E", "channels", "at most 3 or a multiple of 4"),
    "7b six channels": (CONV + "inputs=six\nchannels=6\nfilterSize=1", "E", "channels", "at most 3 or a multiple of 4"),
    "7c filter too large": (CONV + "filterSize=17", "E", "filterSize", "larger than the padded"),
    "7d one group": (SPARSE, "E", "groups", "more than one group"),
    "7d divides": (SPARSE + "groups=4\nfilterChannels=12", "E", "filterChannels", "divide channels"),
    "7d multiple of 4": (SPARSE + "groups=8\nfilterChannels=2", "E", "filterChannels", "multiple of 4"),
    "7d covers": (SPARSE + "groups=2\nfilterChannels=4", "E", "filterChannels", "multiple of channels"),
    "sparse filterChannels 0": (SPARSE + "groups=4\nfilterChannels=0", "U", "filterChannels", "divisor"),
    "7e groups of 4": (CONV + "inputs=conv\nchannels=16\ngroups=8", "E", "groups", "multiple of 4"),
    "7e divides": (CONV + "groups=2", "E", "groups", "must divide"),
    "7f filters": (CONV + "filters=8", "E", "filters", "multiple of 16"),
    "partialSum required": (CONV.replace("partialSum=0\n", ""), "E", "partialSum", "absent"),
    "partialSum divides": (CONV + "partialSum=5", "E", "partialSum", "divide"),
    "sharedBiases": (CONV + "sharedBiases=2", "E", "sharedBiases", "truth"),
    "initCFunc syntax": (SPARSE + "groups=4\ninitCFunc=m.f(", "E", "initCFunc", "syntax"),
    # elementwise (2.5 to 2.8)
    "eltsum sizes": ("type=eltsum\ninputs=flat,conv", "E", "inputs", "same size"),
    "eltsum coeffs": ("type=eltsum\ninputs=flat\ncoeffs=a", "E", "coeffs", "not a number"),
    "eltmax one input": ("type=eltmax\ninputs=flat", "E", "inputs", "at least two"),
    "eltmax sizes": ("type=eltmax\ninputs=flat,conv", "E", "inputs", "same size"),
    "neuron layer without neuron": ("type=neuron\ninputs=flat", "E", "neuron", "not a neuron"),
    "neuron layer unknown": ("type=neuron\ninputs=flat\nneuron=abstanh[1,2]", "E", "neuron", "not a neuron"),
    "neuron layer no number": ("type=neuron\ninputs=flat\nneuron=tanh[]", "U", "neuron", "no number"),
    "neuron key": (FC + "neuron=nope", "E", "neuron", "not a neuron"),
    "neuron key no number": (FC + "neuron=linear[1,]", "U", "neuron", "no number"),
    "dropout without keep": ("type=hs\ninputs=flat", "E", "keep", "absent"),
    # pool (2.9)
    "pool channels": (POOL.replace("channels=16\n", ""), "E", "channels", "absent"),
    "pool zero channels": (POOL + "channels=0", "U", "channels", "divisor"),
    "pool negative channels": (POOL + "channels=-1", "U", "channels", "positive"),
    "pool sizeX low": (POOL + "sizeX=0", "E", "sizeX", "does not fit"),
    "pool sizeX high": (POOL + "sizeX=17", "E", "sizeX", "does not fit"),
    "pool stride low": (POOL + "stride=0", "E", "stride", "between"),
    "pool stride high": (POOL + "stride=4", "E", "stride", "between"),
    "pool outputsX": (POOL + "outputsX=-1", "E", "outputsX", "negative"),
    "pool channels above weights": (POOL + "channels=4", "E", "channels", "multiple of 16"),
    "pool name": (POOL + "pool=min", "E", "pool", "unknown"),
    "pool name required": (POOL.replace("pool=max\n", ""), "E", "pool", "absent"),
    "pool square": (POOL + "inputs=data\ngpu=0\nchannels=2", "E", "channels", "square"),
    "pool too many channels": (POOL + "inputs=data\ngpu=0\nchannels=800", "U", "channels", "zero"),
    # norms (2.10)
    "cmrnorm size low": (NORM + "size=1", "E", "size", "range"),
    "cmrnorm size high": (NORM + "size=17", "E", "size", "range"),
    "cmrnorm channels": (NORM + "channels=4\nsize=4", "E", "channels", "multiple of 16"),
    "cmrnorm zero": (NORM + "channels=0", "U", "channels", "divisor"),
    "rnorm size low": (RNORM + "size=0", "E", "size", "range"),
    "rnorm size high": (RNORM + "size=17", "E", "size", "range"),
    "rnorm channels": (RNORM.replace("inputs=data", "inputs=conv") + "channels=5", "E", "channels", "multiple of 4"),
    "rnorm six channels": (RNORM + "inputs=six\nchannels=6\nsize=1", "E", "channels", "multiple of 4"),
    "cnorm square": (RNORM.replace("rnorm", "cnorm") + "channels=2", "E", "channels", "square"),
    "norm blocked": (NORM + "blocked=2", "E", "blocked", "truth"),
    # sub-sampling, blur, mirror, scaling, colour (2.11 to 2.16)
    "nailbed channels": (NAILBED + "channels=0", "E", "channels", "at least 1"),
    "nailbed stride 0": (NAILBED + "stride=0", "U", "stride", "divisor"),
    "nailbed square": (NAILBED + "channels=2", "E", "channels", "square"),
    "nailbed negative outputs": (NAILBED + "stride=-1", "E", "stride", "negative number"),
    "blur channels": (BLUR + "channels=0", "E", "channels", "at least 1"),
    "blur size": (BLUR + "filterSize=4", "E", "filterSize", "unsupported"),
    "blur stdev": (BLUR + "stdev=0", "U", "stdev", "divisor"),
    "blur too large": (BLUR.replace("inputs=data", "inputs=tiny") + "filterSize=9\nchannels=4", "E", "filterSize", "larger"),
    "href low": (HREF + "channels=0", "E", "channels", "range"),
    "href high": (HREF + "channels=4", "E", "channels", "range"),
    "resize low": (RESIZE + "scale=.4", "E", "scale", "range"),
    "resize high": (RESIZE + "scale=2.1", "E", "scale", "range"),
    "resize zero": (RESIZE + "scale=0", "U", "scale", "divide"),
    "resize zero channels": (RESIZE + "channels=0", "U", "channels", "divisor"),
    "resize above weights": (RESIZE + "inputs=conv\nchannels=16", "E", "inputs", "no gradient"),
    "rscale channels": (RSCALE + "channels=0", "E", "channels", "at least 1"),
    "rscale target low": (RSCALE + "tgtSize=9", "E", "tgtSize", "range"),
    "rscale target high": (RSCALE + "tgtSize=17", "E", "tgtSize", "range"),
    "rscale scale": (RSCALE + "maxScale=2.5", "E", "maxScale", "range"),
    "rscale above weights": (RSCALE + "inputs=conv\nchannels=16", "E", "inputs", "no gradient"),
    "rgb2yuv above weights": ("type=rgb2yuv\ninputs=picture", "E", "inputs", "no gradient"),
    "rgb2lab square": ("type=rgb2lab\ninputs=targets\ngpu=0", "E", "channels", "square"),
    "rgb2lab center": ("type=rgb2lab\ninputs=data\ngpu=0\ncenter=x", "E", "center", "truth"),
    # costs (2.19)
    "logreg labels": ("type=cost.logreg\ninputs=targets,soft\ngpu=0", "E", "inputs", "input 0 must have one unit"),
    "logreg softmax": ("type=cost.logreg\ninputs=labels,flat\ngpu=0", "E", "inputs", "softmax"),
    "logreg classes": ("type=cost.logreg\ninputs=labels,wide\ngpu=0", "E", "inputs", "one unit per class"),
    "msm labels": ("type=cost.msm\ninputs=targets,flat\ngpu=0", "E", "inputs", "input 0"),
    "msm classes": ("type=cost.msm\ninputs=labels,conv\ngpu=0", "E", "inputs", "input 1"),
    "crossent targets": ("type=cost.crossent\ninputs=labels,soft\ngpu=0", "E", "inputs", "input 0"),
    "crossent softmax": ("type=cost.crossent\ninputs=targets,flat\ngpu=0", "E", "inputs", "softmax"),
    "crossent2 targets": ("type=cost.crossent2\ninputs=labels,flat\ngpu=0", "E", "inputs", "input 0"),
    "crossent2 classes": ("type=cost.crossent2\ninputs=targets,conv\ngpu=0", "E", "inputs", "input 1"),
    "rflickr targets": ("type=cost.rflickr\ninputs=labels,flat\ngpu=0", "E", "inputs", "input 0"),
    "sum2 inputs": ("type=cost.sum2\ninputs=flat,flat", "E", "inputs", "fixed number"),
    "gsum2 gate": ("type=cost.gsum2\ninputs=targets,flat\ngpu=0", "E", "inputs", "the gate"),
    "tica channels": ("type=cost.tica\ninputs=data\ngpu=0\nsizeX=3", "E", "channels", "absent"),
    "tica square": ("type=cost.tica\ninputs=data\ngpu=0\nsizeX=3\nchannels=2", "E", "channels", "square"),
    "tica zero": ("type=cost.tica\ninputs=data\ngpu=0\nsizeX=3\nchannels=0", "U", "channels", "divisor"),
}  # fmt: skip
EXTRA = "[tiny]\ntype=data\ndataIdx=3\n[wide]\ntype=softmax\ninputs=conv\n[uses]\ntype=cost.sum2\ninputs=wide\n"
EXTRA += "[picture]\ntype=fc\ninputs=conv\noutputs=12\ninitW=1\n[uses3]\ntype=cost.sum2\ninputs=picture\n"
EXTRA += "[six]\ntype=fc\ninputs=conv\noutputs=24\ninitW=1\n[uses4]\ntype=cost.sum2\ninputs=six\n"
EXTRA += "[uses2]\ntype=cost.sum2\ninputs=tiny\ngpu=0\n"


@pytest.mark.parametrize("body, kind, key, reason", ROWS.values(), ids=ROWS)
def test_refused(body: str, kind: str, key: str | None, reason: str) -> None:
    found = problems(with_layer(body, extra=EXTRA), num_gpus=2)
    assert found, "accepted"
    own = [p for p in found if p.section in ("x", "x_neuron")]
    assert own == list(found), "a problem of one layer is blamed on another"
    assert own[0].first and not any(p.first for p in own[1:])
    matching = [p for p in own if (p.kind, p.key) == (kind, key) and reason in p.message]
    assert matching, [str(p) for p in own]
    assert all(p.spec for p in own if "absent" not in p.message) or own[0].allowed


WHOLE = {
    "conv": CONV,
    "local": CONV.replace("type=conv", "type=local"),
    "sparse": SPARSE + "groups=4\nfilterChannels=8",
    "pool": POOL,
    "cmrnorm": NORM,
    "rnorm": RNORM,
    "cnorm": RNORM.replace("rnorm", "cnorm"),
    "nailbed": NAILBED,
    "blur": BLUR,
    "href": HREF,
    "resize": RESIZE,
    "rscale": RSCALE,
    "fc": FC,
    "rgb2yuv": "type=rgb2yuv\ninputs=data\ngpu=0",
    "rgb2lab": "type=rgb2lab\ninputs=data\ngpu=0\ncenter=on",
    "eltsum": "type=eltsum\ninputs=flat,soft\ncoeffs=1,-1",
    "eltmax": "type=eltmax\ninputs=flat,soft",
    "concat": "type=concat\ninputs=flat,conv,flat",
    "neuron": "type=neuron\ninputs=flat\nneuron=tanh[1,2]",
    "hs": "type=hs\ninputs=flat\nkeep=0.5",
    "cost.logreg": "type=cost.logreg\ninputs=labels,soft\ngpu=0",
    "cost.msm": "type=cost.msm\ninputs=labels,flat\ngpu=0",
    "cost.crossent": "type=cost.crossent\ninputs=targets,soft\ngpu=0",
    "cost.crossent2": "type=cost.crossent2\ninputs=targets,flat\ngpu=0",
    "cost.rflickr": "type=cost.rflickr\ninputs=targets,flat\ngpu=0",
    "cost.sum2": "type=cost.sum2\ninputs=flat",
    "cost.gsum2": "type=cost.gsum2\ninputs=labels,flat\ngpu=0",
    "cost.tica": "type=cost.tica\ninputs=data\ngpu=0\nchannels=3\nsizeX=3",
    "same input twice": "type=eltsum\ninputs=flat,flat",
}


@pytest.mark.parametrize("body", WHOLE.values(), ids=WHOLE)
def test_the_unspoilt_layers_are_accepted(body: str) -> None:
    """The rows above spoil these; were these refused too, the rows would prove nothing."""
    assert problems(with_layer(body, extra=EXTRA), num_gpus=2) == ()


# the last values inside each range
BOUNDS = {
    "highest gpu": "type=softmax\ninputs=flat\ngpu=1",
    "one output": FC + "outputs=1",
    "filter as large as the padded image": CONV + "padding=2\nfilterSize=20",
    "filter of one pixel": CONV + "filterSize=1",
    "three channels": CONV,
    "four channels": CONV + "inputs=tiny\nchannels=4\nfilterSize=3",
    "4 * groups channels": CONV + "inputs=conv\nchannels=16\ngroups=4",
    "partialSum as many as modules": CONV + "partialSum=144",
    "window as large as the image": POOL + "sizeX=16\nstride=16",
    "window of one pixel": POOL + "sizeX=1\nstride=1",
    "outputsX given": POOL + "outputsX=40",
    "pool of 4 channels below weights": POOL + "inputs=tiny\ngpu=0\nchannels=4",
    "rnorm of one pixel": RNORM + "size=1",
    "rnorm as large as the image": RNORM + "size=16",
    "cmrnorm of two maps": NORM + "size=2",
    "cmrnorm of all maps": NORM + "size=16",
    "blur as large as the image": BLUR + "inputs=tiny\nchannels=4\nfilterSize=3",
    "one channel mirrored": HREF + "inputs=tiny\nchannels=1",
    "resize by two": RESIZE + "scale=2",
    "resize by a half": RESIZE + "scale=.5",
    "rscale smallest": RSCALE + "tgtSize=10",
    "rscale largest": RSCALE + "tgtSize=16",
    "rscale by one": RSCALE + "maxScale=1\ntgtSize=16",
    "rscale by two": RSCALE + "maxScale=2\ntgtSize=8",
    "second own matrix": "type=fc\ninputs=flat,flat\noutputs=4\ninitW=1,1\nweightSource=,x[0]",
    "two inputs of eltmax": "type=eltmax\ninputs=flat,flat",
}


@pytest.mark.parametrize("body", BOUNDS.values(), ids=BOUNDS)
def test_the_ends_of_ranges_are_accepted(body: str) -> None:
    assert problems(with_layer(body, extra=EXTRA), num_gpus=2) == ()


def test_treefc_takes_its_shape_from_the_tree() -> None:
    shape = DataShape(SHAPE.dims, 10, tree=[[]] * 10 + [[0, 1], [2, 10]], root_label=11)
    layer = read(with_layer("type=treefc\ninputs=flat\ninitW=1"), shape=shape).by_name()["x"]
    assert layer.outputs == 10
    facts = layer.as_dict()
    assert (facts["tree"][10], facts["rootLabel"]) == ([0, 1], 11)


def test_unused_layers_are_all_named() -> None:
    text = BASE + "[idle]\ntype=softmax\ninputs=flat\n[spare]\ntype=data\ndataIdx=1\n"
    found = problems(text)
    assert [(p.kind, p.section) for p in found] == [("E", "idle"), ("E", "spare")]


def test_data_layers_only() -> None:
    (problem,) = problems("[data]\ntype=data\ndataIdx=0\n")
    assert problem.kind == "U"


def test_an_empty_file_is_an_empty_network() -> None:
    assert read("").layers == ()


def test_a_cost_is_never_unused() -> None:
    assert problems(BASE + "[second]\ntype=cost.sum2\ninputs=soft\n") == ()


@pytest.mark.parametrize("name", ["inputs", "my_inputs_2"])
def test_a_name_with_inputs_trips_the_buffer_sharing_test(name: str) -> None:
    text = BASE + f"[{name}]\ntype=hs\ninputs=flat\nkeep=1\n[use]\ntype=cost.sum2\ninputs={name}\n"
    (problem,) = problems(text)
    assert (problem.kind, problem.spec) == ("U", "1.6")


def test_a_name_with_inputs_is_harmless_without_such_a_layer() -> None:
    assert problems(BASE.replace("[flat]", "[inputs]").replace("inputs=flat", "inputs=inputs")) == ()


def test_consumers_of_a_broken_layer_are_not_blamed() -> None:
    found = problems(BASE.replace("filterSize=5", "filterSize=99"))
    assert [(p.section, p.key) for p in found] == [("conv", "filterSize")]


def test_all_problems_of_a_file_come_at_once_in_the_releases_order() -> None:
    text = BASE.replace("filterSize=5", "filterSize=a\nstride=b").replace("[soft]", "[mist]\ntype=nothing\n[soft]")
    found = problems(text.replace("dataIdx=2", "dataIdx=x"), "[conv]\n")
    assert [(p.section, p.key) for p in found[:4]] == [
        ("targets", "dataIdx"), ("conv", "stride"), ("conv", "filterSize"), ("mist", "type"),
    ]  # fmt: skip
    assert [p.first for p in found] == [True] + [False] * (len(found) - 1)
    assert {(p.section, p.spec) for p in found[4:]} == {("keep1", "5"), ("keep2", "5")}, "parameter file, after the definition"


def test_a_long_cycle_is_shown() -> None:
    text = "[d]\ntype=data\ndataIdx=0\n"
    text += "".join(f"[l{i}]\ntype=eltsum\ninputs=d,l{(i + 1) % 4}\ngpu=0\n" for i in range(4))
    first = problems(text)[0]
    assert "closes a cycle: l0 -> l1 -> l2 -> l3 -> l0" in first.message


def test_default_section_reaches_layers() -> None:
    text = "[DEFAULT]\ngpu=0\nneuron=relu\n" + BASE.replace("gpu=0\n", "")
    network = read(text)
    assert network.by_name()["conv"].gpu == 0
    assert "flat_neuron" in network.by_name() and "labels_neuron" not in network.by_name()


def test_unknown_keys_are_notes_with_a_guess() -> None:
    network = read(with_layer(POOL + "strid=3\nfoo=1"))
    said = {note.key: note.message for note in network.notes}
    assert "did you mean stride" in said["strid"]
    assert "no effect" in said["foo"] and "did you mean" not in said["foo"]
    assert {note.kind for note in network.notes} == {"W"}


# accepted by the 2012 parser, misbehaving later (X)
HAZARDS = {
    "coeffs too short": "type=eltsum\ninputs=flat,soft\ncoeffs=1",
    "no filters": CONV + "filters=0",
    "negative partialSum": CONV + "partialSum=-1",
    "channels do not divide": "type=nailbed\ninputs=tiny\ngpu=0\nchannels=8\nstride=1",
    "unchecked filterChannels": SPARSE.replace("randSparse=true", "randSparse=1,0")
    + "inputs=conv,conv\nchannels=16,16\nfilters=16,16\nfilterSize=3,3\ninitW=1,1\ngroups=4,4\nfilterChannels=4,8",
}


@pytest.mark.parametrize("body", HAZARDS.values(), ids=HAZARDS)
def test_hazards_are_accepted_with_a_remark_and_refused_by_engines(body: str) -> None:
    text = with_layer(body, extra=EXTRA)
    if "filters=0" in body:
        text = text.replace("[reads_x]\ntype=cost.sum2\ninputs=x\ngpu=0\n", "")
        assert [p.message for p in problems(text)] == ["nobody consumes this layer"]
        return
    network = read(text, num_gpus=2)
    assert [note.kind for note in network.notes if note.kind != "W"] == ["X"]
    with pytest.raises(LayerFileError):
        network.to_dicts(np.random.RandomState(0))


def test_words_that_count_as_false_in_lists_are_remarked() -> None:
    network = read(with_layer(CONV + "randSparse=yes"))
    assert network.by_name()["x"].as_dict()["randSparse"] == [False]
    assert "counts as false" in network.notes[0].message


def test_logistic_warning_looks_at_the_section() -> None:
    cost = "[c]\ntype=cost.crossent2\ninputs=targets,{}\ngpu=0\n"
    short = read(BASE.replace("outputs=10", "outputs=10\nneuron=logistic") + cost.format("flat"))
    explicit = read(BASE + "[n]\ntype=neuron\ninputs=flat\nneuron=logistic\n" + cost.format("n"))
    assert not short.notes
    assert "logistic" in explicit.notes[0].message


def test_missing_files() -> None:
    with pytest.raises(LayerFileError, match="definition"):
        read_network(Path("/nonexistent/x.cfg"), None, SHAPE)
