"""Entries and the records kept in them (spec/entries.md)."""

import json
import re

from .limits import MAX_DEPTH, MAX_RAW
from .strictjson import NotStrict, check_json

RAWLEN = re.compile(rb'\{"rawlen":([1-9][0-9]{0,5}),')


def cut(entry):
    """The normalised object and the raw record (None if there is none) of an entry."""
    m = RAWLEN.match(entry)
    if not m:
        return entry, None
    p = len(entry) - 1 - int(m[1])
    if p - 7 < m.end() or entry[p - 7 : p] != b',"raw":':
        raise NotStrict("rawlen does not lead to raw")
    return b"{" + entry[m.end() : p - 7] + b"}", entry[p:-1]


def check_entry(entry):
    """What --strict demands of an entry on top of what every reader checks."""
    norm, raw = cut(entry)
    check_json(norm)
    names = top_level(norm)
    if "rawlen" in names or "raw" in names:
        raise NotStrict("rawlen or raw out of its place")
    if raw is not None:
        if len(raw) > MAX_RAW:
            raise NotStrict(f"raw of {len(raw)} bytes, at most {MAX_RAW}")
        check_json(raw, lenient=True, max_depth=MAX_DEPTH - 2)


def top_level(norm):
    """The members of a normalised object, {} if it does not parse."""
    try:
        value = json.loads(norm)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
