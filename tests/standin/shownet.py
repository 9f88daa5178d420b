"""Writes the activities of a layer for every batch of the test range (python-and-data section 6.8)."""

import sys

import numpy as n

import getopt as opt
from util import *
from gpumodel import IGPUModel
from options import *
import Image
from convnet import ConvNet


class ShowConvNet(ConvNet):
    def start(self):
        self.op.print_values()
        if self.write_features:
            self.do_write_features()
        sys.exit(0)

    def init_data_providers(self):
        self.need_gpu = bool(self.op.get_value("write_features"))
        ConvNet.init_data_providers(self)

    def init_model_state(self):
        pass

    def do_write_features(self):
        if not os.path.exists(self.feature_path):
            os.makedirs(self.feature_path)
        outputs = self.layers[self.write_features]["outputs"]
        data = self.get_next_batch(train=False)
        first = data[1]
        while True:
            features = n.zeros((data[2][0].shape[1], outputs), dtype=n.single)
            self.libmodel.startFeatureWriter(data[2], [features], [self.write_features])
            next_data = self.get_next_batch(train=False)
            self.finish_batch()
            pickle(os.path.join(self.feature_path, "data_batch_%d" % data[1]), {"data": features, "labels": data[2][1]})
            print "Wrote features of batch %d" % data[1]
            if next_data[1] == first:
                break
            data = next_data
        pickle(os.path.join(self.feature_path, "batches.meta"), {"source_model": self.load_file, "num_vis": outputs})

    @classmethod
    def get_options_parser(cls):
        op = ConvNet.get_options_parser()
        kept = ("gpu", "load_file", "train_batch_range", "test_batch_range", "multiview_test", "data_path", "logreg_name",
                "scalar_mean")
        for name in op.options.keys():
            if name not in kept:
                op.delete_option(name)
        op.options["load_file"].default = None
        op.add_option("write-features", "write_features", StringOptionParser, "Layer to write", default="")
        op.add_option("feature-path", "feature_path", StringOptionParser, "Folder for features", default="")
        return op


if __name__ == "__main__":
    try:
        op, load_dic = IGPUModel.parse_options(ShowConvNet.get_options_parser())
        ShowConvNet(op, load_dic).start()
    except (UnpickleError, opt.GetoptError), e:
        print "Error: %s" % e
        sys.exit(1)
