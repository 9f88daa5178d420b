"""The layer language of 2012: read, check and print definition and parameter files; the typed network; layer dictionaries.

Checked against all of the layer-language specification; nets/ holds our own networks.
"""

from typing import TYPE_CHECKING

from alexnet_archive.layerdefs.changing import ParameterFile, number_text, numbers_text, parse_parameters, read_parameters
from alexnet_archive.layerdefs.finding import (
    NetFacts,
    cropped_shape,
    find_definition,
    find_parameters,
    net_facts,
    our_nets,
    side_of,
)
from alexnet_archive.layerdefs.fitting import Fitting, accepted_classes, accepted_sides, declared_facts, ranges
from alexnet_archive.layerdefs.model import DataShape, Layer
from alexnet_archive.layerdefs.network import Crossing, Network, NetworkTotals, Totals
from alexnet_archive.layerdefs.parameters import apply_parameters
from alexnet_archive.layerdefs.reading import BrokenLayer, Inspection, inspect_network, read_network
from alexnet_archive.layerdefs.settings import Parameters
from alexnet_archive.layerdefs.values import Neuron, Schedule
from alexnet_archive.lazy import getter

if TYPE_CHECKING:
    from alexnet_archive.layerdefs.transform import conv_to_local, unshare_weights

# Commands that look at a definition start without NumPy.
__getattr__ = getter(__name__, {"transform": ("conv_to_local", "unshare_weights")})

__all__ = [
    "BrokenLayer",
    "Crossing",
    "DataShape",
    "Fitting",
    "Inspection",
    "Layer",
    "NetFacts",
    "Network",
    "NetworkTotals",
    "Neuron",
    "ParameterFile",
    "Parameters",
    "Schedule",
    "Totals",
    "accepted_classes",
    "accepted_sides",
    "apply_parameters",
    "conv_to_local",
    "cropped_shape",
    "declared_facts",
    "find_definition",
    "find_parameters",
    "inspect_network",
    "net_facts",
    "number_text",
    "numbers_text",
    "our_nets",
    "parse_parameters",
    "ranges",
    "read_network",
    "read_parameters",
    "side_of",
    "unshare_weights",
]
