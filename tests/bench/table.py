#!/usr/bin/env python3
"""table.py A.json B.json ...: results of `fs_bench --json` side by side.

Each further column also shows its ratio to the first: above 1 is better than the
first, whatever the unit. Only results of one machine and one hour compare.
"""

import json
import sys


def figure(value):
    if value < 10:
        return f"{value:.2f}"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def ratio(unit, one, other):
    """How much better `one` is than `other`."""
    return other / one if unit in ("s", "ms") else one / other


def main(paths):
    if not paths:
        sys.exit(__doc__)
    results = []
    for path in paths:
        with open(path) as file:
            results.append(json.load(file))
    print("| workload | " + " | ".join(result["label"] for result in results) + " |")
    print("|---" * (len(results) + 1) + "|")
    for key, row in results[0]["rows"].items():
        cells = []
        for result in results:
            other = result["rows"].get(key)
            if other is None:
                cells.append("–")
            elif result is results[0]:
                cells.append(figure(other["median"]))
            else:
                better = ratio(row["unit"], other["median"], row["median"])
                cells.append(f"{figure(other['median'])} ({better:.2f})")
        print(f"| {row['label']}, {row['unit']} | " + " | ".join(cells) + " |")
    if any("peak_memory_mib" in result for result in results):
        print("| memory, peak, MiB | " + " | ".join(
            figure(result["peak_memory_mib"]) if "peak_memory_mib" in result else "–"
            for result in results) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
