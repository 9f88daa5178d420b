"""The training loop: epochs, batches, testing, saving, resuming (python-and-data section 2).

It knows engines only through `engines.base` and is handed one that is ready; it prints nothing and reports events.
"""

from alexnet_archive.training.course import Change, Course, parse_course, read_course
from alexnet_archive.training.events import BatchTrained, Changed, Event, Finished, Saved, SaveFailed, Stopped, Tested
from alexnet_archive.training.following import Followed, Move, State
from alexnet_archive.training.log import JsonLog, batch_line, cost_text, duration, event_facts, test_lines
from alexnet_archive.training.loop import Plan, Trainer, standing
from alexnet_archive.training.options import TABLE, RunOption, merge, parse_range, rows
from alexnet_archive.training.testing import BatchTested, test_range
from alexnet_archive.training.weights import rates_of_file, rates_of_layers, still, weight_summary

__all__ = [
    "BatchTested",
    "BatchTrained",
    "Change",
    "Changed",
    "Course",
    "Event",
    "Finished",
    "Followed",
    "Move",
    "RunOption",
    "TABLE",
    "merge",
    "parse_course",
    "parse_range",
    "rates_of_file",
    "rates_of_layers",
    "read_course",
    "rows",
    "JsonLog",
    "Plan",
    "Saved",
    "SaveFailed",
    "State",
    "Stopped",
    "Tested",
    "Trainer",
    "batch_line",
    "cost_text",
    "duration",
    "event_facts",
    "standing",
    "still",
    "test_lines",
    "test_range",
    "weight_summary",
]
