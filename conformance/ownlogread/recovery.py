"""The tail of an open segment: torn or damaged (spec/recovery.md)."""

import re

from .findings import Bad
from .limits import SECTOR
from .lines import HEX, SEAL_LINE, STRUCTURE, N, parse_line


def line_at(data, at):
    """The line that begins at at, without its LF, or None if it has none."""
    end = data.find(b"\n", at)
    return None if end < 0 else data[at:end]


CANDIDATE = re.compile(rb'\{"(?:seq|size)":')


def proof_of_more(seg, start, n):
    """A valid line from start on that was written when entries >= n were durable.

    Lines may begin at start, after an LF and after a NUL (the end of a lost sector).
    """
    data = seg.data
    for m in CANDIDATE.finditer(data, start):
        at = m.start()
        if at != start and data[at - 1] not in (0x0A, 0x00):
            continue
        line = line_at(data, at)
        if line is None:
            continue
        try:
            parsed = parse_line(line, seg.log)
        except Bad:
            continue
        if parsed.kind == "seal" and parsed.seq > n:
            return f"a seal of size {parsed.seq} at offset {at}"
        if parsed.kind != "seal" and parsed.ack > n:
            return f"a line with seq {parsed.seq} and ack {parsed.ack} at offset {at}"
    return None


def ends_in_seal(seg):
    data = seg.data
    if not len(data) or data[-1] != 0x0A:
        return False
    start = max(data.rfind(b"\n", 0, len(data) - 1), data.rfind(b"\x00")) + 1
    try:
        return parse_line(data[start:-1], seg.log).kind == "seal"
    except Bad:
        return False


def judge_tail(seg):
    """Recovery: classify what follows the last good line of an open segment.

    Returns None (nothing follows), or a Bad and, if the tail is one whole line
    that lacks its LF only, that line.
    """
    data, p, n = seg.data, seg.offset, seg.next_seq
    if p == len(data):
        return None, None
    if ends_in_seal(seg):
        return seg.stop, None
    proof = proof_of_more(seg, p, n)
    if proof:
        reason = f"entry {n} is damaged, and {proof} shows that it was durable ({seg.stop.reason})"
        return Bad("acknowledged", reason, seg.stop.expected, seg.stop.actual), None
    for m in re.compile(rb"\x00+").finditer(data, p):
        if (m.start() == p or m.start() % SECTOR == 0) and (
            m.end() % SECTOR == 0 or m.end() == len(data)
        ):
            return Bad("torn", "unwritten sectors at the tail", status="torn"), None
    if data.find(b"\n", p) >= 0:
        return seg.stop, None
    line, end = whole_line(seg, data[p:])
    seal_end = whole_seal(seg, data[p:])
    if seal_end and p + seal_end < len(data):
        return Bad("last-lf", "the seal line's LF is damaged", "0a", f"{data[p + seal_end]:02x}"), None
    if line and p + end == len(data):
        return Bad("torn", "the last line lacks its LF", status="torn"), line
    if line:
        return Bad("last-lf", "the line's LF is damaged", "0a", f"{data[p + end]:02x}"), None
    return Bad("torn", "the last line is cut", status="torn"), None


LINE_START = re.compile(
    rb'\{"seq":' + N + rb',"ack":' + N + rb',"crc":"[0-9a-f]{8}",'
    rb'(?:"entry":(?=\{)|("redacted":\{"leaf":"' + HEX + rb'"\}\}))'
)


def whole_line(seg, tail):
    """The line that fits here and stands at the start of tail, whatever follows, and its length."""
    m = LINE_START.match(tail)
    if not m:
        return None, 0
    end, depth = m.end(), 0
    if not m[1]:
        for token in STRUCTURE.finditer(tail, m.end()):
            depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(token[0], 0)
            if depth == 0:
                end = token.end() + 1
                break
    try:
        parsed = parse_line(tail[:end], seg.log)
        seg.fits(parsed)
        return parsed, end
    except Bad:
        return None, 0


def whole_seal(seg, tail):
    """The length of the valid seal line that stands at the start of tail, 0 if there is none."""
    m = SEAL_LINE.match(tail)
    if not m:
        return 0
    try:
        seal = parse_line(m[0], seg.log)
    except Bad:
        return 0
    fits = seal.seq == seg.next_seq and seal.leaf == seg.tree.root()
    return len(m[0]) if fits else 0
