"""JSON files as the benchmarks write them, of known durations."""

import json
import statistics

MACHINE = {"cpu": "Test CPU", "cores": 2, "isa": "avx2", "memory_gib": 8.0, "gpus": []}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def entry(work, kind, system, seconds, images=100, **changed):
    """One benchmark; `changed` adds fields, or takes away those that are None."""
    info = {
        "work": work,
        "variant": kind,
        "system": system,
        "mode": "full",
        "median": statistics.median(seconds),
        "spread": 0.1,
        "others": 0.0,
        "images_per_second": images / statistics.median(seconds),
        "machine": MACHINE,
        "versions": {"python": "3.11.7", "torch": "2.6.0"},
        "commit": COMMIT,
    }
    info = {name: value for name, value in (info | changed).items() if value is not None}
    stats = {"data": list(seconds), "rounds": len(seconds), "iterations": 1}
    return {"name": f"test_{work}[{system}]", "extra_info": info, "stats": stats}


def write(path, entries):
    content = {
        "machine_info": {"node": "secret-host", "cpu": {"brand_raw": "Test CPU"}},
        "commit_info": {"id": COMMIT, "branch": "secret-branch"},
        "benchmarks": entries,
    }
    path.write_text(json.dumps(content))
    return path
