"""Trains a convolutional network; the stand-in's front end, in the shape of the release's (python-and-data section 2)."""

import sys
from math import isinf, isnan

import numpy as n

from util import *
from data import *
from options import *
from gpumodel import *
import layer as lay
from convdata import *


class ConvNet(IGPUModel):
    def __init__(self, op, load_dic, dp_params={}):
        for name in ("color_noise", "multiview_test", "crop_border", "scalar_mean", "minibatch_size"):
            dp_params[name] = op.get_value(name)
        IGPUModel.__init__(self, "ConvNet", op, load_dic, [], dp_params=dp_params)

    def fill_excused_options(self):
        if self.op.get_value("check_grads"):
            for name, text in (("save_path", ""), ("data_path", ""), ("train_batch_range", "0"), ("test_batch_range", "0")):
                self.op.set_value(name, text)

    def import_model(self):
        name = "_ConvNet_k20x" if is_kepler_machine() else "_ConvNet"
        print "=" * 20
        print "extension %s" % name
        self.libmodel = __import__(name)

    def init_model_state(self):
        stored = self.model_state["layers"] if self.op.get_value("load_file") else None
        try:
            self.model_state["layers"] = lay.parse_layers(self.layer_def, self.layer_params, self, stored)
        except lay.LayerParsingError, e:
            raise ModelStateException(e)

    def init_model_lib(self):
        self.libmodel.initModel(self.layers, self.device_ids, self.device_cpus, self.minibatch_size, self.wupdate_freq)

    def parse_batch_data(self, batch_data, train=True):
        if any(array.dtype != n.single for array in batch_data[2]):
            raise DataProviderException("a matrix of batch %d is not in single precision" % batch_data[1])
        return batch_data

    def start_batch(self, batch_data, train=True):
        data = batch_data[2]
        self.batch_numbers = batch_data
        if self.check_grads:
            self.libmodel.checkGradients(data)
        if not train and self.multiview_test:
            views = self.test_data_provider.num_views
            if self.test_out and self.logreg_name:
                self.probs = n.zeros((data[0].shape[1] / views, self.test_data_provider.get_num_classes()), n.single)
                self.libmodel.startMultiviewTest(data, views, self.probs, self.logreg_name)
            else:
                self.libmodel.startMultiviewTest(data, views)
        else:
            total = self.num_epochs * len(self.train_batch_range)
            progress = min(1.0, max(0.0, float(self.get_num_batches_done() - 1) / total))
            self.libmodel.startBatch(data, progress, not train)

    def finish_batch(self):
        result = IGPUModel.finish_batch(self)
        if getattr(self, "probs", None) is not None:
            if not os.path.exists(self.test_out):
                os.makedirs(self.test_out)
            pickle(os.path.join(self.test_out, "test_preds_%d" % self.batch_numbers[1]),
                   {"data": self.probs, "note": "from %s" % self.load_file})
            self.probs = None
        return result

    def print_iteration(self):
        print "%d.%d..." % (self.epoch, self.batchnum),

    def print_costs(self, outputs):
        costs, cases = outputs
        for name in costs:
            # In place, as the release does: stored histories hold means.
            costs[name] = [value / cases for value in costs[name]]
            print "%s: " % name, ", ".join("%.6f" % value for value in costs[name]),
            if any(isnan(value) or isinf(value) for value in costs[name]):
                print "<- not a number"
                sys.exit(1)

    def print_train_results(self):
        self.print_costs(self.train_outputs[-1])

    def print_test_results(self):
        print ""
        print "-------- test"
        self.print_costs(self.test_outputs[-1])
        count = min(len(self.test_outputs), len(self.test_batch_range))
        print "\n-------- averages"
        recent = [costs for costs, cases in self.test_outputs[-count:]]
        for name in recent[0]:
            if recent[-1][name]:
                print "%s: %s" % (name, ", ".join("%.6f" % (sum(v) / count) for v in zip(*[r[name] for r in recent]))),
        for name in sorted(self.layers):
            layer = self.layers[name]
            if "weights" in layer:
                print "\n%s" % name,
                for i, (weights, inc) in enumerate(zip(layer["weights"], layer["weightsInc"])):
                    print "weights[%d]: %e [%e]" % (i, n.mean(n.abs(weights)), n.mean(n.abs(inc))),
                print "biases: %e [%e]" % (n.mean(n.abs(layer["biases"])), n.mean(n.abs(layer["biasesInc"]))),
        print ""

    def print_train_time(self, seconds):
        print "(%.3f sec)" % seconds

    def conditional_save(self):
        self.save_state()
        print "-" * 20
        print os.path.join(self.save_path, self.save_file)
        print "-" * 20,

    def aggregate_test_outputs(self, outputs):
        total = dict((name, [0.0] * len(values)) for name, values in outputs[0][0].items())
        for costs, cases in outputs:
            for name, values in costs.items():
                total[name] = [a + b for a, b in zip(total[name], values)]
        return total, sum(cases for costs, cases in outputs)

    @classmethod
    def get_options_parser(cls):
        op = IGPUModel.get_options_parser()
        op.add_option("mini", "minibatch_size", IntegerOptionParser, "Minibatch size", default=128)
        op.add_option("layer-def", "layer_def", StringOptionParser, "Layer definition file", set_once=True)
        op.add_option("layer-params", "layer_params", StringOptionParser, "Layer parameter file")
        op.add_option("check-grads", "check_grads", BooleanOptionParser, "Check gradients, then stop", default=0,
                      excuses=["data_path", "save_path", "train_batch_range", "test_batch_range"])
        op.add_option("multiview-test", "multiview_test", BooleanOptionParser, "Average tests over views", default=0)
        op.add_option("crop-border", "crop_border", IntegerOptionParser, "Border cut from images", default=4, set_once=True)
        op.add_option("conserve-mem", "conserve_mem", BooleanOptionParser, "Conserve memory", default=0)
        op.add_option("color-noise", "color_noise", FloatOptionParser, "Colour noise", default=0.0)
        op.add_option("scalar-mean", "scalar_mean", FloatOptionParser, "Subtract one mean", default=0.0)
        op.add_option("wupdate-freq", "wupdate_freq", IntegerOptionParser, "Minibatches per update", default=1)
        op.add_option("test-out", "test_out", StringOptionParser, "Predictions go here", default="",
                      requires=["logreg_name", "multiview_test"])
        op.add_option("logreg-name", "logreg_name", StringOptionParser, "Cost layer of predictions", default="")
        op.delete_option("max_test_err")
        op.options["testing_freq"].default = 50
        op.options["num_epochs"].default = 50000
        op.options["max_filesize_mb"].default = 0
        op.options["dp_type"].default = None
        DataProvider.register_data_provider("dummy-lr-n", "random numbers and labels", RandomProvider)
        DataProvider.register_data_provider("inet-lr", "whole raw images", RawImageProvider)
        DataProvider.register_data_provider("inet-lr-cropped-jpeg", "cropped JPEG images", CroppedJPEGProvider)
        return op


if __name__ == "__main__":
    op, load_dic = IGPUModel.parse_options(ConvNet.get_options_parser())
    ConvNet(op, load_dic).start()
