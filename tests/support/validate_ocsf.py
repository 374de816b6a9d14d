"""Validates OCSF events, a JSON array on stdin, against the schema of the version and class that they name.

The schemas are those of the package ocsf-json-schema: nothing is downloaded. Prints what is wrong, one line each,
and ends with 1 where anything is.
"""

import json
import pathlib
import sys

import jsonschema
import ocsf_json_schema
from ocsf_json_schema import OcsfJsonSchema
from ocsf_json_schema.embedded import OcsfJsonSchemaEmbedded

SCHEMAS = pathlib.Path(ocsf_json_schema.__file__).parent / "ocsf"


def validator(version, class_uid, profiles, known={}):
    key = (version, class_uid, tuple(profiles))
    if key not in known:
        published = OcsfJsonSchema(json.loads((SCHEMAS / f"{version}.json").read_text()))
        name = published.lookup_class_name_from_uid(class_uid)
        schema = OcsfJsonSchemaEmbedded(published).get_class_schema(name, profiles)
        jsonschema.Draft202012Validator.check_schema(schema)
        known[key] = jsonschema.Draft202012Validator(schema)
    return known[key]


def main():
    events = json.load(sys.stdin)
    wrong = 0
    for index, event in enumerate(events):
        metadata = event["metadata"]
        valid = validator(metadata["version"], event["class_uid"], metadata.get("profiles", []))
        for error in valid.iter_errors(event):
            wrong += 1
            print(f"event {index} {error.json_path}: {error.message[:300]}")
    print(f"{len(events)} events, {wrong} errors", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
