"""The tables as plain values, for `layers explain` and the generated reference: one shape for both."""

from __future__ import annotations

from typing import Any

from alexnet_archive.errors import UserInputError
from alexnet_archive.layerdefs.ini import near
from alexnet_archive.layerdefs.language import KINDS, Key, LayerKind, ParameterGroup, Topic, layer_kinds, topics
from alexnet_archive.layerdefs.values import NEURONS, SCHEDULE_RATES, SCHEDULES

DEFINITION, PARAMETERS = "definition", "parameter"


def default_text(key: Key) -> str:
    """What an absent key means, as it would be written."""
    if key.required:
        return "required"
    if key.computed:
        return key.computed
    if key.default == "" or key.kind == "relic":
        return "none"
    return str(key.default).lower() if isinstance(key.default, bool) else f"{key.default}"


def key_facts(key: Key, file: str, kind: LayerKind, group: ParameterGroup | None = None) -> dict[str, Any]:
    """name, file, kind, required, default, rule, means, only, example, spec, shared of one key of a type.

    Where a key has no example of its own, its line in the example of the type is one.
    """
    whole = kind.example if file == DEFINITION else kind.parameters_example
    line = next((line for line in whole.splitlines() if line.startswith(f"{key.name}=")), "")
    when = ", ".join(f"{name}={value}" for name, value in (group.when if group else {}).items())
    return {
        "name": key.name,
        "file": file,
        "kind": KINDS[key.kind],
        "required": key.required and not when,
        "default": default_text(key),
        "rule": "; ".join(text for text in (key.allowed(), key.rule) if text),
        "means": key.means,
        "only": key.only or when,
        "example": key.example or line,
        "spec": key.spec,
        "shared": key.shared,
    }


def inputs_text(kind: LayerKind) -> str:
    return f"{kind.least_inputs} or more" if kind.inputs is None else str(kind.inputs) if kind.inputs else "none"


def type_facts(kind: LayerKind) -> dict[str, Any]:
    """A type with its keys, those of the definition first."""
    groups = kind.parameter_groups()
    needed = next((group for group in groups if group.needed), None)
    when = "".join(f" where {name}={value}" for name, value in needed.when.items()) if needed else ""
    keys = [key_facts(key, DEFINITION, kind) for name, key in kind.keys.items() if name != "type"]
    keys += [key_facts(key, PARAMETERS, kind, group) for key, group in kind.parameter_keys().values()]
    return {
        "type": kind.name,
        "does": kind.does,
        "about": kind.about,
        "inputs": inputs_text(kind),
        "outputs": kind.outputs,
        "parameter_section": f"needed{when}" if needed else "not needed",
        "parameter_notes": {group.title: group.about for group in groups if group.about},
        "spec": kind.spec,
        "example": kind.example.strip(),
        "parameters_example": kind.parameters_example.strip(),
        "keys": keys,
    }


def topic_facts(topic: Topic) -> dict[str, Any]:
    """A topic, with the rows of its table where it has one."""
    rows: list[dict[str, str]] = []
    if topic.name == "neurons":
        for name, neuron in NEURONS.items():
            shown = name + (f"[{','.join(neuron.parameters)}]" if neuron.parameters else "")
            rows.append({"neuron": shown, "y = f(x)": neuron.function, "gradient factor": neuron.gradient})
    if topic.name == "schedules":
        for name, params in SCHEDULES.items():
            shown = name + (f"[{','.join(f'{p}=..' for p in params)}]" if params else "")
            rows.append({"schedule": shown, "rate": SCHEDULE_RATES[name]})
    return {"topic": topic.name, "does": topic.does, "text": topic.text, "rows": rows}


def explain(name: str, key: str | None = None) -> dict[str, Any]:
    """Facts of a type, of a topic, or of one key of a type. Raises UserInputError with the nearest name for others."""
    if name not in layer_kinds() and name not in topics():
        known = [*layer_kinds(), *topics()]
        raise _unknown(f"there is no layer type or topic {name}", name, known, "`alexnet-archive layers explain` lists them")
    if name in topics():
        if key is not None:
            raise UserInputError(f"{name} is a topic and has no keys", found=key, remedy=f"ask for {name} alone")
        return topic_facts(topics()[name])
    facts = type_facts(layer_kinds()[name])
    if key is None:
        return facts
    found = [one for one in facts["keys"] if one["name"].lower() == key.lower()]
    if not found:
        known = [one["name"] for one in facts["keys"]]
        raise _unknown(f"a {name} layer has no key {key}", key, known, f"`alexnet-archive layers explain {name}` lists them")
    return {"type": name, "keys": found}


def _unknown(message: str, given: str, known: list[str], listing: str) -> UserInputError:
    close = near(given, known) or next((k for k in known if given and given.lower() in k.lower()), None)
    hint = f"; did you mean {close}?" if close else ""
    return UserInputError(message + hint, found=given, expected=", ".join(known), remedy=listing)
