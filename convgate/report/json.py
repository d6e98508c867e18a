"""The run record as JSON, and its JSON Schema."""

from inspect import cleandoc
from typing import Any

import msgspec

from convgate.results.record import RunRecord
from convgate.results.summary import Summary

__all__ = ["render", "schema"]


def render(summary: Summary) -> str:
    """Render the whole record; `convgate.load_record` reads it."""
    return msgspec.json.format(msgspec.json.encode(summary.record), indent=2).decode() + "\n"


def schema() -> str:
    """The JSON Schema (draft 2020-12) of a run record, as in ``docs/run-record.schema.json``."""
    (of_record,), definitions = msgspec.json.schema_components([RunRecord], ref_template="#/$defs/{name}")
    for definition in definitions.values():
        definition["description"] = cleandoc(definition["description"])
    version = RunRecord.__dataclass_fields__["format_version"].default
    definitions["RunRecord"]["properties"]["format_version"] = {"const": version}
    whole: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:convgate:run-record:{version}",
        "title": "convgate run record",
        "description": "One run of convgate gate, as --json writes it.",
        **of_record,
        "$defs": definitions,
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"
