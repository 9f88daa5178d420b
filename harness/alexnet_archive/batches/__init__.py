"""Batch files, meta, providers (crop, flip, noise, views) and converters, as the 2012 release has them.

Checked against: python-and-data sections 4, 5, 6.2. `batches.convert` makes data folders, `batches.check` judges them.
Names are imported when they are used, so that commands which read no picture start without what decodes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alexnet_archive.lazy import getter

if TYPE_CHECKING:
    from alexnet_archive.batches.codec import PictureError
    from alexnet_archive.batches.prediction_folders import open_predictions, read_predictions, write_predictions
    from alexnet_archive.batches.predictions import About, Predictions, Writer, about_data, predictions_writer, stored_pictures
    from alexnet_archive.batches.provider import Batch, Provider, ProviderOptions
    from alexnet_archive.batches.providers import PROVIDERS, open_provider
    from alexnet_archive.batches.reorder import meta_digests, reordered_meta, write_reordered
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
        roles_in,
        unlabelled,
        write_batch,
        write_meta,
    )
    from alexnet_archive.batches.submission import Submission, require_entry, submission_writer

_PLACES = {
    "codec": ("PictureError",),
    "prediction_folders": ("open_predictions", "read_predictions", "write_predictions"),
    "predictions": ("About", "Predictions", "Writer", "about_data", "predictions_writer", "stored_pictures"),
    "provider": ("Batch", "Provider", "ProviderOptions"),
    "providers": ("PROVIDERS", "open_provider"),
    "reorder": ("meta_digests", "reordered_meta", "write_reordered"),
    "store": (
        "JPEG_PROVIDER", "META_NAME", "batch_numbers", "batch_path", "default_provider", "has_labels",
        "numbers_by_role", "read_batch", "read_meta", "roles_in", "unlabelled", "write_batch", "write_meta",
    ),
    "submission": ("Submission", "require_entry", "submission_writer"),
}  # fmt: skip
__getattr__ = getter(__name__, _PLACES)

__all__ = [
    "JPEG_PROVIDER",
    "About",
    "META_NAME",
    "PROVIDERS",
    "Batch",
    "PictureError",
    "Predictions",
    "Provider",
    "ProviderOptions",
    "Submission",
    "Writer",
    "about_data",
    "batch_numbers",
    "batch_path",
    "default_provider",
    "has_labels",
    "meta_digests",
    "numbers_by_role",
    "open_predictions",
    "open_provider",
    "predictions_writer",
    "read_batch",
    "read_meta",
    "read_predictions",
    "reordered_meta",
    "require_entry",
    "roles_in",
    "stored_pictures",
    "submission_writer",
    "unlabelled",
    "write_batch",
    "write_meta",
    "write_predictions",
    "write_reordered",
]
