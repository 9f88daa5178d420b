"""The layer parameter file: typed values per layer, for a fresh network or for the dictionaries of a checkpoint.

Checked against layer-language sections 4.6 and 5, and appendix A for what lenient reading accepts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet_archive.errors import LayerFileError, Problem
from alexnet_archive.layerdefs.collecting import Collector
from alexnet_archive.layerdefs.ini import IniFile, near, parse_ini
from alexnet_archive.layerdefs.language import groups_of, keys_of, needs_section
from alexnet_archive.layerdefs.sections import SectionReader
from alexnet_archive.layerdefs.settings import Parameters, snake
from alexnet_archive.layerdefs.values import BadText, Schedule, parse_positional_schedule, parse_schedule

QUANTISERS = ("quantF", "quantB")
WEIGHTED = ("fc", "treefc", "conv", "local")


def read_layer_file(path: Path, collector: Collector, *, what: str, lenient: bool = False) -> IniFile:
    """Read a definition or parameter file from disk. Raises LayerFileError when it is not there."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise LayerFileError(
            f"cannot read the layer {what} file {path}: {error.strerror or error}",
            path=path,
            remedy=f"check the path of the layer {what} file",
        ) from error
    return parse_ini(data, Path(path).name, collector, lenient=lenient)


class ParameterReader:
    """Reads the sections of one parameter file for layers given as dictionaries (section 7)."""

    def __init__(self, ini: IniFile, collector: Collector, *, lenient: bool = False) -> None:
        self.ini = ini
        self.collector = collector
        self.lenient = lenient

    def layer(self, layer: Mapping[str, Any]) -> Parameters:
        """The parameters of one layer; problems go to the collector and leave defaults."""
        name, kind = str(layer["name"]), str(layer["type"])
        if name not in self.ini.sections and needs_section(layer):
            close = near(name, self.ini.sections)
            hint = f"; is [{close}] meant?" if close and close != name else ""
            self.collector.add(
                "E", self.ini.name, name, None, f"a {kind} layer needs a section in the parameter file{hint}", spec="5"
            )
            return Parameters()
        read = SectionReader(self.ini, name, self.collector, keys_of(groups_of(layer)))
        if name in self.ini.sections:
            read.note_unknown_keys()
        quant_f, quant_b = self._quantisers(read, layer)
        values: dict[str, Any] = {"quant_f": quant_f, "quant_b": quant_b}
        if kind in WEIGHTED:
            values.update(self._weighted(read, layer))
        else:
            values.update({snake(key): read.get(key) for key in read.keys if key not in QUANTISERS})
        if kind == "cost.msm":
            self._check_sets(read, values, int(layer["numOut"]))
        return Parameters(**values)

    def _quantisers(self, read: SectionReader, layer: Mapping[str, Any]) -> tuple[str, str]:
        """A section of the layer's own name decides alone, else its source's (section 5.3)."""
        source = str(layer.get("src_layer") or "")
        own = read.section in self.ini.sections
        if not own and not source:
            return "default", "default"
        where = read if own else SectionReader(self.ini, source, Collector(), read.keys)  # the source itself reports it
        found = [where.get(key) for key in QUANTISERS]
        return found[0], found[1]

    def _weighted(self, read: SectionReader, layer: Mapping[str, Any]) -> dict[str, Any]:
        count = len(layer["inputs"])

        def get(key: str) -> Any:
            return read.get(key, count=count, check_count=False)

        values = {snake(key): get(key) for key in ("epsW", "epsB", "momW", "momB", "superEps", "superMom", "wc", "wball")}
        self._lengths(read, {key: values[snake(key)] for key in ("epsW", "momW", "wc", "wball")}, count)
        values.update(sched_w=self._schedule(read, "schedW"), sched_b=self._schedule(read, "schedB"))
        if layer["type"] == "conv":
            most, least = get("wcNormMax"), get("wcNormMin")
            self._lengths(read, {"wcNormMax": most, "wcNormMin": least}, count)
            ordered = all(low <= high for low, high in zip(least, most))
            message = "must not exceed wcNormMax"
            read.check(ordered, "wcNormMin", message, found=least, allowed=f"at most {most}", spec="5.1")
            values.update(wc_norm_max=most, wc_norm_min=least)
        return values

    def _lengths(self, read: SectionReader, lists: Mapping[str, tuple[Any, ...]], count: int) -> None:
        for key, values in lists.items():
            if len(values) != count and key.lower() not in read.bad:
                read.wrong_length(key, len(values), count)

    def _schedule(self, read: SectionReader, key: str) -> Schedule:
        text = read.raw(key)
        if text is None:
            return self._relic(read, key)
        try:
            return parse_schedule(text)
        except BadText as error:
            meant = parse_positional_schedule(text) if self.lenient else None
            if meant is None:
                read.fail(key, str(error), kind=error.kind, found=repr(text), allowed=error.allowed, spec="5.4")
                return Schedule()
        self._say(read, key, f"{text} is taken to mean {meant.text()}")
        return meant

    def _relic(self, read: SectionReader, key: str) -> Schedule:
        """The key `sched`, which the shipped parser never reads (appendix A)."""
        if not read.ini.has(read.section, "sched"):
            return Schedule()
        if not self.lenient:
            if key == "schedW":
                message = "a relic that the 2012 parser does not read: the rate stays constant; --lenient follows the intention"
                read.fail("sched", message, kind="W", allowed="schedW, schedB", spec="Appendix A")
            return Schedule()
        text = read.raw("sched")
        if text is None:
            return Schedule()
        try:
            meant: Schedule | None = parse_schedule(text)
        except BadText:
            meant = parse_positional_schedule(text)
        if meant is None:
            read.fail(
                "sched",
                "not a schedule, and lenient reading cannot tell what was meant",
                kind="W",
                found=repr(text),
                spec="Appendix A",
            )
            return Schedule()
        self._say(read, "sched", f"{text} is taken to mean {key}={meant.text()}; the release keeps the rate constant")
        return meant

    def _say(self, read: SectionReader, key: str, message: str) -> None:
        read.fail(key, f"lenient reading: {message}", kind="W", spec="Appendix A")

    def _check_sets(self, read: SectionReader, values: Mapping[str, Any], classes: int) -> None:
        """The release fails on these while it formats its message."""
        size, most = values["set_size"], classes - 1
        inside = 1 <= size <= most
        read.check(inside, "setSize", "out of range", kind="U", found=size, allowed=f"1 to {most}", spec="2.19")
        read.limit("threads", values["threads"], kind="U")

    def note_unknown_sections(self, names: list[str]) -> None:
        """Say which sections belong to no layer; the release ignores them silently."""
        for section in self.ini.sections:
            if section not in names:
                close = near(section, names)
                hint = f"; did you mean [{close}]?" if close else ""
                self.collector.add(
                    "W", self.ini.name, section, None, f"no layer has this name, the section has no effect{hint}", spec="1.1"
                )


def apply_parameters(
    layers: dict[str, dict[str, Any]], parameters: Path, *, lenient: bool = False, conserve_mem: int = 0
) -> list[Problem]:
    """Re-read the parameter file for the layer dictionaries of a checkpoint, in place (section 4.6).

    Weights, topology, sizes and everything else of the definition stay. Nothing is changed when the file has problems:
    LayerFileError carries all of them. Returns the notes.
    """
    collector = Collector()
    ini = read_layer_file(Path(parameters), collector, what="parameter", lenient=lenient)
    collector.raise_if_any(parameters)
    reader = ParameterReader(ini, collector, lenient=lenient)
    updates: dict[str, dict[str, Any]] = {}
    for name, layer in layers.items():
        facts = {**layer, "name": name}
        if layer["type"] in WEIGHTED and "weightsPerFilter" not in layer:
            facts["weightsPerFilter"] = _weights_per_filter(layer, layers)
        updates[name] = reader.layer(facts).as_dict(facts)
    collector.raise_if_any(parameters)
    reader.note_unknown_sections(list(layers))
    for name, update in updates.items():
        layers[name].update(update, conserveMem=int(conserve_mem))
    return collector.notes


def _weights_per_filter(layer: Mapping[str, Any], layers: Mapping[str, Mapping[str, Any]]) -> list[int]:
    """For checkpoints older than the key."""
    if layer["type"] in ("fc", "treefc"):
        return [int(layers[name]["outputs"]) for name in layer["inputs"]]
    return [int(c) * int(k) ** 2 for c, k in zip(layer["filterChannels"], layer["filterSize"])]
