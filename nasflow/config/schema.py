"""The JSON schema of the configuration, which editors read."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from nasflow.config.section import Section

Json = dict[str, Any]


class Schema(GenerateJsonSchema):
    """pydantic's schema without the titles that it makes from names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema(cls: type[Section]) -> Json:
    """Return the JSON schema (draft 2020-12) of a section, in which unknown keys are refused.

    Definitions stand where they are used, so that people can read the schema from top to bottom."""
    found = cls.model_json_schema(schema_generator=Schema)
    inlined: Json = _inline(found, found.pop("$defs", {}))
    return inlined


def _inline(part: Any, definitions: Json) -> Any:
    if isinstance(part, list):
        return [_inline(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    own = {name: _inline(value, definitions) for name, value in part.items()}
    if isinstance(own.get("title"), str):
        del own["title"]
    if "$ref" not in own:
        return own
    target: Json = _inline(definitions[own.pop("$ref").rpartition("/")[2]], definitions)
    if "properties" in target:  # a section, whose keys have their own defaults
        own.pop("default", None)
    return target | own
