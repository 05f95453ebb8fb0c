#!/usr/bin/env python3
"""An independent reader and verifier of ownlog logs.

Written from spec/ alone; it shares no code with the Go implementation. It needs
Python 3.9 or later, its standard library, and the `zstd` command (for sealed
segments only).

    reader.py [--strict] [--store DIR] [--expect HEAD] PATH

PATH is a log directory (a store's `logs/<log-id>`), a store, one segment file,
or a pack (`*.tar`). The report is one JSON object on standard output; README.md beside this
file describes it. Exit codes: 0 status ok or torn, 1 any other status, 2 usage,
3 environment (no such path, no zstd command).

Nothing is ever written. Text is read through mmap and sealed segments frame by
frame, so memory is bounded by the number of entries (their hashes), not by
their size.
"""

import argparse
import binascii
import json
import os
import re
import sys

from ownlogread.findings import STATUSES, Environment
from ownlogread.log import check_expected, read_log, read_segment
from ownlogread.pack import read_pack
from ownlogread.tree import UUID, Frontier, head, parse_head


def report(log):
    tree = log.tree or Frontier()
    size, root = tree.size, tree.root()
    known = log.log is not None and log.tree is not None
    return {
        "report": 1,
        "status": log.status(),
        "log": log.log,
        "size": size if known else None,
        "root": root.hex() if known else None,
        "head": head(log.log, size, root) if known else None,
        "findings": log.findings,
    }


def pack_report(path, options):
    text, findings = read_pack(path, options)
    log, size, root = parse_head(text) if text else (None, None, None)
    return {
        "report": 1,
        "status": max((f["status"] for f in findings), key=STATUSES.index, default="ok"),
        "log": log,
        "size": size,
        "root": root.hex() if text else None,
        "head": text,
        "findings": findings,
    }


def store_of(directory):
    logs = os.path.dirname(os.path.abspath(directory))
    return os.path.dirname(logs) if os.path.basename(logs) == "logs" else None


def run(options):
    path = options.path
    if not os.path.exists(path):
        raise Environment(f"no such file or directory: {path}")
    if os.path.isfile(path) and path.endswith(".tar"):
        return pack_report(path, options)
    if os.path.isfile(path):
        return report(read_segment(path, options))
    if os.path.isdir(os.path.join(path, "logs")):
        root = os.path.join(path, "logs")
        names = sorted(n for n in os.listdir(root) if re.fullmatch(UUID, n))
        logs = [report(read_log(os.path.join(root, n), path, options)) for n in names]
        status = max((r["status"] for r in logs), key=STATUSES.index, default="ok")
        return {"report": 1, "status": status, "logs": logs}
    log = read_log(path, options.store or store_of(path), options)
    if options.expect:
        check_expected(log, options.expect)
    return report(log)


def main():
    parser = argparse.ArgumentParser(description="Read and verify ownlog logs.")
    parser.add_argument("--strict", action="store_true", help="check the entries' JSON in full")
    parser.add_argument("--store", metavar="DIR", help="where parents and blobs are (default: from PATH)")
    parser.add_argument("--expect", metavar="HEAD", help="a head the log must hold or extend")
    parser.add_argument("path", metavar="PATH", help="log directory, store, segment file, or pack")
    options = parser.parse_args()
    if options.expect:
        try:
            parse_head(options.expect)
        except (ValueError, binascii.Error) as e:
            parser.error(str(e))
    try:
        result = run(options)
    except (Environment, OSError) as e:
        print(f"reader.py: {e}", file=sys.stderr)
        return 3
    json.dump(result, sys.stdout, indent=1)
    print()
    return 0 if result["status"] in ("ok", "torn") else 1


if __name__ == "__main__":
    sys.exit(main())
