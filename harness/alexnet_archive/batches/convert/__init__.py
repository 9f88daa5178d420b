"""Pictures into batch files: `convert(source, out, options, progress)`.

Checked against: python-and-data section 5 (5.2 is normative).
"""

from alexnet_archive.batches.convert.options import ConvertOptions
from alexnet_archive.batches.convert.pipeline import convert
from alexnet_archive.batches.convert.report import ConvertReport, read_report

__all__ = ["ConvertOptions", "ConvertReport", "convert", "read_report"]
