"""Reads the YAML, JSON, INI and TOML blocks of the documentation, each by its own parser.

Standard input is a JSON list of [where, kind, text]; each problem is a line of standard output. Kubernetes' schemas are those of
kubernetes-validate, in target/schemas.
"""

import configparser
import json
import sys
import tomllib


def read_yaml(text):
    import yaml

    return [document for document in yaml.safe_load_all(text) if document is not None]


def read_kubernetes(text):
    import kubernetes_validate

    version = kubernetes_validate.latest_version()
    documents = read_yaml(text)
    if not documents:
        raise ValueError("there is no document")
    for document in documents:
        if not isinstance(document, dict) or not {"apiVersion", "kind"} <= document.keys():
            raise ValueError("a Kubernetes document has an apiVersion and a kind")
        kubernetes_validate.validate(document, version, strict=True)


def read_ini(text):
    # systemd accepts a repeated key.
    parser = configparser.RawConfigParser(strict=False, allow_no_value=False)
    parser.read_string(text)
    if not parser.sections():
        raise ValueError("there is no [section]")


READERS = {"yaml": read_yaml, "json": json.loads, "toml": tomllib.loads, "ini": read_ini, "kubernetes": read_kubernetes}

for where, kind, text in json.load(sys.stdin):
    try:
        READERS[kind](text)
    except Exception as why:
        print(f"{where}: {kind}: {type(why).__name__}: {' '.join(str(why).split())}")
