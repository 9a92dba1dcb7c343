"""Makes the model files in this folder from those of pysunspec2 (Apache-2.0, see NOTICE): what is not needed here is left out.

Usage: make.py FOLDER/OF/sunspec2/models/json
"""

import json
import pathlib
import sys

MODELS = [1, 101, 102, 103, 111, 112, 113, 120, 121, 122, 123, 124, 160, 201, 202, 203, 204, 701, 702, 703, 704, 713, 714, 715, 802]
KEPT = ("name", "label", "type", "size", "sf", "access", "units", "symbols", "count", "points", "groups", "group", "id")


def kept(value):
    if isinstance(value, dict):
        return {key: kept(inner) if key != "symbols" else symbols(inner) for key, inner in value.items() if key in KEPT}
    return [kept(inner) for inner in value] if isinstance(value, list) else value


def symbols(named):
    return {symbol["name"]: symbol["value"] for symbol in named}


def main():
    source, target = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
    for number in MODELS:
        model = json.loads((source / f"model_{number}.json").read_text(encoding="utf-8"))
        text = json.dumps(kept(model), ensure_ascii=False, separators=(",", ":"))
        (target / f"model_{number}.json").write_text(text + "\n", encoding="utf-8")


main()
