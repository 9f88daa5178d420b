"""The training loop: epochs, batches, testing, saving, resuming (python-and-data section 2).

It knows engines only through `engines.base` and is handed one that is ready; it prints nothing and reports events.
"""

from alexnet_archive.training.events import BatchTrained, Event, Finished, Saved, Stopped, Tested
from alexnet_archive.training.log import JsonLog, batch_line, cost_text, duration, event_facts, test_lines
from alexnet_archive.training.loop import Plan, Trainer
from alexnet_archive.training.options import TABLE, RunOption, merge, parse_range, rows
from alexnet_archive.training.testing import BatchTested, test_range
from alexnet_archive.training.weights import weight_summary

__all__ = [
    "BatchTested",
    "BatchTrained",
    "Event",
    "Finished",
    "RunOption",
    "TABLE",
    "merge",
    "parse_range",
    "rows",
    "JsonLog",
    "Plan",
    "Saved",
    "Stopped",
    "Tested",
    "Trainer",
    "batch_line",
    "cost_text",
    "duration",
    "event_facts",
    "test_lines",
    "test_range",
    "weight_summary",
]
