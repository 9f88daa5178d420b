"""Data providers of the stand-in: whole raw images, cropped JPEG images, random numbers (python-and-data sections 4.4, 4.6)."""

from StringIO import StringIO

import numpy as n
import numpy.random as nr
from PIL import Image

from data import *


class RawImageProvider(LabeledDataProvider):
    """`inet-lr`: data minus mean, labels (1, N), word predictions; nothing random."""

    def __init__(self, data_dir, batch_range, init_epoch=1, init_batchnum=None, dp_params={}, test=False):
        LabeledDataProvider.__init__(self, data_dir, batch_range, init_epoch, init_batchnum, dp_params, test)
        self.mean = n.require(self.batch_meta["data_mean"], dtype=n.single).reshape(-1, 1)

    def get_next_batch(self):
        epoch, batchnum, batch = LabeledDataProvider.get_next_batch(self)
        data = n.require(batch["data"] - self.mean, dtype=n.single, requirements="C")
        labels = n.require(n.array(batch["labels"]).reshape(1, -1), dtype=n.single, requirements="C")
        if labels.max() >= self.get_num_classes() or labels.min() != 0:
            raise DataProviderException("labels of batch %d do not start at class 0 or leave the range" % batchnum)
        return epoch, batchnum, [data, labels, batch["wordpres"]]

    def get_data_dims(self, idx=0):
        return {0: self.batch_meta["num_vis"], 2: 100}.get(idx, 1)


class RandomProvider(LabeledDummyDataProvider):
    """`dummy-lr-<D>`: D random numbers a case and a random class; no files."""

    def get_next_batch(self):
        epoch, batchnum, batch = LabeledDummyDataProvider.get_next_batch(self)
        # Copied: of one row, the transposed view would tell the module nothing of its order.
        columns = [n.array(batch[name].T, dtype=n.single, order="C") for name in ("data", "labels")]
        return epoch, batchnum, columns

    def get_data_dims(self, idx=0):
        return self.batch_meta["num_vis"] if idx == 0 else 1


class CroppedJPEGProvider(LabeledDataProvider):
    """`inet-lr-cropped-jpeg`: decoded, cropped, perhaps mirrored; transposed views as the release hands them over."""

    def __init__(self, data_dir, batch_range, init_epoch=1, init_batchnum=None, dp_params={}, test=False):
        LabeledDataProvider.__init__(self, data_dir, batch_range, init_epoch, init_batchnum, dp_params, test)
        self.border = dp_params["crop_border"]
        self.multiview = dp_params["multiview_test"] and test
        self.side = int(n.sqrt(self.batch_meta["num_vis"] / 3))
        self.inner = self.side - 2 * self.border
        self.num_views = 10
        mean = n.require(self.batch_meta["data_mean"], dtype=n.single).reshape(3, self.side, self.side)
        self.mean = self.cut(mean[n.newaxis], self.border, self.border)

    def get_data_dims(self, idx=0):
        return 3 * self.inner ** 2 if idx == 0 else 1

    def cut(self, images, y, x):
        return images[:, :, y:y + self.inner, x:x + self.inner]

    def get_next_batch(self):
        epoch, batchnum, (strings, sizes, labels) = LabeledDataProvider.get_next_batch(self)
        images = n.array([n.asarray(Image.open(StringIO(s)).convert("RGB")).transpose(2, 0, 1) for s in strings], n.single)
        offset = self.batch_meta.get("label_offset", 0)
        labels = n.array([[0 if raw is None else raw + offset] for wnid, raw in labels], n.single)
        if self.multiview:
            b = self.border
            views = [self.cut(images, y, x) for y, x in ((0, 0), (0, 2 * b), (b, b), (2 * b, 0), (2 * b, 2 * b))]
            views += [view[:, :, :, ::-1] for view in views]
            labels = n.tile(labels, (self.num_views, 1))
        elif self.test:
            views = [self.cut(images, self.border, self.border)]
        else:
            views = [self.random_run(images[start:start + 32]) for start in range(0, len(images), 32)]
        data = n.concatenate(views) - self.mean
        data = n.require(data.reshape(len(data), -1), dtype=n.single, requirements="C")
        return epoch, batchnum, [data.T, labels.T]

    def random_run(self, images):
        y, x = nr.randint(0, 2 * self.border + 1), nr.randint(0, 2 * self.border + 1)
        crop = self.cut(images, y, x)
        return crop[:, :, :, ::-1] if nr.randint(2) == 0 else crop
