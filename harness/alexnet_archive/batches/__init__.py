"""Batch files, meta, providers (crop, flip, noise, views) and converters, as the 2012 release has them.

Checked against: python-and-data sections 4, 5, 6.2. `batches.convert` makes data folders, `batches.check` judges them.
"""

from alexnet_archive.batches.codec import PictureError
from alexnet_archive.batches.provider import Batch, Provider, ProviderOptions
from alexnet_archive.batches.providers import PROVIDERS, open_provider
from alexnet_archive.batches.store import (
    JPEG_PROVIDER,
    META_NAME,
    batch_numbers,
    batch_path,
    default_provider,
    has_labels,
    numbers_by_role,
    read_batch,
    read_meta,
    read_predictions,
    roles_in,
    unlabelled,
    write_batch,
    write_meta,
    write_predictions,
)

__all__ = [
    "JPEG_PROVIDER",
    "META_NAME",
    "PROVIDERS",
    "Batch",
    "PictureError",
    "Provider",
    "ProviderOptions",
    "batch_numbers",
    "batch_path",
    "default_provider",
    "has_labels",
    "numbers_by_role",
    "open_provider",
    "read_batch",
    "read_meta",
    "read_predictions",
    "roles_in",
    "unlabelled",
    "write_batch",
    "write_meta",
    "write_predictions",
]
