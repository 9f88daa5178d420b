"""Runs under Python 2.7, in front of a built release's module: see native_step.py, which starts it and reads its answer.

Arguments: a checkpoint, devices such as 0,0, the cases of a minibatch, counts of minibatches such as 1,5, how often, a file
for the activities and the name of their layer. Pictures come from the file's neighbour `pictures.npy`.
"""

import json
import os
import sys
import time

import numpy as n
from util import unpickle

import _ConvNet


def main(checkpoint, devices, minibatch, counts, rounds, activities, layer):
    layers = unpickle(checkpoint)["model_state"]["layers"]
    devices = [int(device) for device in devices.split(",")]
    minibatch = int(minibatch)
    _ConvNet.initModel(layers, devices, [[-1] for _ in devices], minibatch, 1)
    pictures = n.load(os.path.join(os.path.dirname(activities), "pictures.npy"))
    labels = n.require(n.arange(minibatch).reshape(1, -1) % 1000, dtype=n.single, requirements="C")
    found = n.zeros((minibatch, layers[layer]["outputs"]), dtype=n.single)
    _ConvNet.startFeatureWriter([pictures, labels], [found], [layer])
    _ConvNet.finishBatch()
    n.save(activities, found)
    seconds = {}
    for count in [int(count) for count in counts.split(",")]:
        data = [n.require(n.tile(array, (1, count)), dtype=n.single, requirements="C") for array in (pictures, labels)]
        times = []
        for _ in range(int(rounds) + 1):
            began = time.time()
            _ConvNet.startBatch(data, 0.0, 0)
            costs, cases = _ConvNet.finishBatch()
            times.append(time.time() - began)
            assert cases == count * minibatch, cases
        seconds[count] = min(times[1:])
    sys.stdout.write(json.dumps({"seconds": seconds, "costs": costs}) + "\n")
    sys.stdout.flush()


main(*sys.argv[1:])
