"""CloudFormation's YAML as Python values, with its short forms written out."""

import copy
import functools
import pathlib

import yaml

INFRA = pathlib.Path(__file__).resolve().parents[2] / "infra"
NAMES = ("scanner", "member-role", "member-events", "athena", "fanout")


class Loader(yaml.SafeLoader):
    """A loader that knows `!Ref` and its like."""


def written_out(loader, suffix, node):
    """`!Sub x` as {"Fn::Sub": x}."""
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", written_out)


def path(name):
    """Where a template is."""
    return INFRA / f"{name}.yaml"


@functools.cache
def read(name):
    """A template, read once."""
    return yaml.load(path(name).read_text(encoding="utf-8"), Loader)


def load(name):
    """A template, to change as one likes."""
    return copy.deepcopy(read(name))


def resources(*types):
    """(template, logical id, properties) of all resources of these types."""
    for name in NAMES:
        for logical_id, resource in load(name)["Resources"].items():
            if resource["Type"] in types:
                yield name, logical_id, resource["Properties"]


def statements(document):
    """The statements of a policy document, those under a condition included."""
    for statement in document["Statement"]:
        if "Fn::If" in statement:
            yield from (branch for branch in statement["Fn::If"][1:] if "Effect" in branch)
        else:
            yield statement


def listed(value):
    """What may be one or a list, as a list."""
    return value if isinstance(value, list) else [value]
