"""Prints the bill of materials of the program as CycloneDX 1.6 JSON: packaging/sbom.py TARGET VERSION.

What is listed are the crates that Cargo.lock names and that the program is built from on that target (normal
dependencies; what only tests and build scripts need is left out), with version, licence and package URL.
"""

import json
import subprocess
import sys

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL


def metadata(target):
    """What cargo knows about the workspace on a target."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    # As packaging/build builds it.
    command += ["--features", "iec104,opcua"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def built_from(known, root):
    """Ids of the packages that a package is built from, itself included."""
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    found, waiting = set(), [root]
    while waiting:
        package = waiting.pop()
        if package in found:
            continue
        found.add(package)
        normal = (d for d in nodes[package]["deps"] if any(kind["kind"] is None for kind in d["dep_kinds"]))
        waiting.extend(dependency["pkg"] for dependency in normal)
    return found


def component(package, kind=ComponentType.LIBRARY):
    """One crate."""
    # Before SPDX expressions crates wrote `/` for OR.
    licence = (package["license"] or "").replace("/", " OR ")
    return Component(
        name=package["name"],
        version=package["version"],
        type=kind,
        bom_ref=f"{package['name']}@{package['version']}",
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
        purl=PackageURL("cargo", name=package["name"], version=package["version"]) if package["source"] else None,
    )


def main():
    target, version = sys.argv[1:]
    known = metadata(target)
    packages = {package["id"]: package for package in known["packages"]}
    root = next(p for p in known["packages"] if p["name"] == "memg-gateway")
    bom = Bom()
    bom.metadata.component = component(root, ComponentType.APPLICATION)
    made = {id: component(packages[id]) for id in built_from(known, root["id"]) if id != root["id"]}
    for each in made.values():
        bom.components.add(each)
    bom.register_dependency(bom.metadata.component, made.values())
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong:
        sys.exit(f"the bill of materials of {version} is not valid: {wrong}")
    print(text)


if __name__ == "__main__":
    main()
