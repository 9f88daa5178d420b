"""The part of Caffe's messages that weights and geometry need, as descriptors made here from published field numbers.

Names, numbers, types and defaults are facts of the format; fields that are not listed are skipped by the protobuf library.
"""

from __future__ import annotations

import functools
from typing import Any

# message -> rows of "number name type [default]"; a trailing * is a repeated field. Blocks of numbers are packed, which on the
# wire is what a byte string is: read as bytes they cost no Python object for each of sixty million weights.
_MESSAGES = {
    "BlobShape": ("1 dim int64*",),
    "BlobProto": (
        "1 num int32 0", "2 channels int32 0", "3 height int32 0", "4 width int32 0", "5 data bytes", "7 shape BlobShape",
        "8 double_data bytes",
    ),
    "NetStateRule": ("1 phase int32",),
    "TransformationParameter": ("3 crop_size uint32 0",),
    "DataParameter": ("5 crop_size uint32 0",),
    "InputParameter": ("1 shape BlobShape*",),
    "ConvolutionParameter": (
        "1 num_output uint32", "2 bias_term bool true", "3 pad uint32*", "4 kernel_size uint32*", "5 group uint32 1",
        "6 stride uint32*", "9 pad_h uint32", "10 pad_w uint32", "11 kernel_h uint32", "12 kernel_w uint32",
        "13 stride_h uint32", "14 stride_w uint32", "18 dilation uint32*",
    ),
    "PoolingParameter": (
        "1 pool int32 0", "2 kernel_size uint32", "3 stride uint32 1", "4 pad uint32 0", "5 kernel_h uint32",
        "6 kernel_w uint32", "7 stride_h uint32", "8 stride_w uint32", "9 pad_h uint32 0", "10 pad_w uint32 0",
        "12 global_pooling bool false", "13 round_mode int32 0",
    ),
    "LRNParameter": ("1 local_size uint32 5", "2 alpha float 1", "3 beta float 0.75", "4 norm_region int32 0", "5 k float 1"),
    "InnerProductParameter": (
        "1 num_output uint32", "2 bias_term bool true", "5 axis int32 1", "6 transpose bool false",
    ),
    "ReLUParameter": ("1 negative_slope float 0",),
    "LayerParameter": (
        "1 name string", "2 type string", "3 bottom string*", "4 top string*", "7 blobs BlobProto*", "8 include NetStateRule*",
        "100 transform_param TransformationParameter", "106 convolution_param ConvolutionParameter",
        "107 data_param DataParameter", "117 inner_product_param InnerProductParameter", "118 lrn_param LRNParameter",
        "121 pooling_param PoolingParameter", "123 relu_param ReLUParameter", "143 input_param InputParameter",
    ),
    "V1LayerParameter": (
        "2 bottom string*", "3 top string*", "4 name string", "5 type int32 0", "6 blobs BlobProto*",
        "10 convolution_param ConvolutionParameter", "11 data_param DataParameter",
        "17 inner_product_param InnerProductParameter", "18 lrn_param LRNParameter", "19 pooling_param PoolingParameter",
        "30 relu_param ReLUParameter", "32 include NetStateRule*", "36 transform_param TransformationParameter",
    ),
    "NetParameter": (
        "1 name string", "2 layers V1LayerParameter*", "3 input string*", "4 input_dim int32*", "8 input_shape BlobShape*",
        "100 layer LayerParameter*",
    ),
}  # fmt: skip

V1_TYPES = {
    1: "Accuracy", 3: "Concat", 4: "Convolution", 5: "Data", 6: "Dropout", 8: "Flatten", 9: "HDF5Data", 12: "ImageData",
    14: "InnerProduct", 15: "LRN", 17: "Pooling", 18: "ReLU", 19: "Sigmoid", 20: "Softmax", 21: "SoftmaxWithLoss", 22: "Split",
    23: "TanH", 24: "WindowData", 25: "Eltwise", 26: "Power", 29: "MemoryData", 30: "ArgMax", 32: "DummyData", 33: "Slice",
    36: "Silence",
}  # fmt: skip
"""Number of a layer's type in the older form of the message -> its name in the newer one."""

_SCALARS = {"double": 1, "float": 2, "int64": 3, "int32": 5, "bool": 8, "string": 9, "bytes": 12, "uint32": 13}
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3


@functools.cache
def message_class(name: str) -> Any:
    """The class of a message by its name. Raises ImportError where protobuf is not installed."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="alexnet_archive/caffe.proto", package="alexnet_archive.caffe", syntax="proto2"
    )
    for message, rows in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for row in rows:
            number, field, kind, *default = row.split()
            added = described.field.add(name=field, number=int(number))
            added.label = _REPEATED if kind.endswith("*") else _OPTIONAL
            kind = kind.removesuffix("*")
            added.type = _SCALARS.get(kind, _MESSAGE)
            if kind not in _SCALARS:
                added.type_name = f".alexnet_archive.caffe.{kind}"
            if default:
                added.default_value = default[0]
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"alexnet_archive.caffe.{name}"))
