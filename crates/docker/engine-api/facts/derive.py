#!/usr/bin/env python3
"""Derives create-properties.tsv from upstream's specification of the Engine API.

    derive.py engine-api-v1.56.swagger.yaml > create-properties.tsv

A line for each property of a create request: its path (`[]` an element, `*` a name of the user's
choice) and its type. Facts only: no text of the specification.
"""
import sys

import yaml


def main():
    definitions = yaml.safe_load(open(sys.argv[1]))["definitions"]

    def resolve(schema):
        reference = schema.get("$ref")
        return definitions[reference.split("/")[-1]] if reference else schema

    def properties(schema):
        schema = resolve(schema)
        found = {}
        for part in schema.get("allOf", []):
            found.update(properties(part))
        found.update(schema.get("properties", {}))
        return found

    def kind(schema):
        schema = resolve(schema)
        return "object" if "allOf" in schema or "properties" in schema else schema.get("type", "any")

    def walk(path, schema):
        for name, member in properties(schema).items():
            at, resolved = f"{path}.{name}", resolve(member)
            print(at, kind(member), sep="\t")
            walk(at, member)
            items, values = resolved.get("items", {}), resolved.get("additionalProperties")
            walk(f"{at}[]", items)
            if isinstance(values, dict):
                walk(f"{at}.*", values)
                walk(f"{at}.*[]", resolve(values).get("items", {}))

    for name, definition in [
        ("Config", "ContainerConfig"),
        ("HostConfig", "HostConfig"),
        ("NetworkingConfig", "NetworkingConfig"),
    ]:
        walk(name, definitions[definition])


main()
