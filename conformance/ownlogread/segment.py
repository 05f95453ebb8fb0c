"""One segment, and how its text is read (spec/segments.md)."""

import mmap
import os
import re

from .entry import check_entry, cut, top_level
from .findings import Bad, finding
from .limits import MAX_HEADER_LINE
from .lines import N, Header, parse_line
from .strictjson import NotStrict
from .tree import Frontier


class Segment:
    """One segment file as scanned: the run of good lines from its start, and what ended it.

    lines     (seq, ack, leaf, offset, is_hole) of every good line, in order
    offset    where the run stops; line is the number (from 1) of the line there
    stop      why it stops (a Bad), None at the end of the file or at the seal
    sealed    it ends in a valid seal line; size is then the seal's
    findings  damage that no later knowledge can excuse
    """

    def __init__(self, path, log=None):
        self.path, self.file, self.log = path, os.path.basename(path), log
        self.header = None
        self.lines = []
        self.offset, self.line = 0, 1
        self.stop = None
        self.sealed, self.size = False, None
        self.findings = []
        self.facts = []  # (seq, kind, value), of entries: redactions, blob references, strict faults
        self.tree = None  # follows the header's own frontier
        self.data = b""

    def add(self, bad, **where):
        self.findings.append(finding(bad, self, **where))

    @property
    def first(self):
        return self.header.first

    @property
    def next_seq(self):
        return self.first + len(self.lines)

    def start(self, line, log_id, name_first):
        """Take the header line (without LF); False if the segment cannot be read on."""
        try:
            self.header = Header(line)
        except Bad as bad:
            self.add(bad, offset=0, line=1)
            return False
        for what, want, got in (
            ("log id", log_id, self.header.log),
            ("first", name_first, self.header.first),
        ):
            if want is not None and want != got:
                bad = Bad("header", f"the header's {what} is not that of its place", str(want), str(got))
                self.header = None
                self.add(bad, offset=0, line=1)
                return False
        self.log = self.header.log
        self.tree = Frontier(self.header.first, self.header.frontier)
        self.offset, self.line = len(line) + 1, 2
        return True

    def take(self, line, options):
        """Take the next line (without LF); True if it was the seal. Bad if it does not fit."""
        parsed = parse_line(line, self.log)
        if parsed.kind == "seal":
            if parsed.seq != self.next_seq:
                raise Bad("seal", "the seal's size is wrong", str(self.next_seq), str(parsed.seq))
            if parsed.leaf != self.tree.root():
                raise Bad("seal", "the seal's root is wrong", self.tree.root().hex(), parsed.leaf.hex())
            self.sealed, self.size = True, parsed.seq
            self.offset += len(line) + 1
            self.line += 1
            return True
        self.fits(parsed)
        if parsed.kind == "entry":
            self.facts.extend(facts(parsed.seq, parsed.entry, self.offset, self.line, options))
        self.lines.append((parsed.seq, parsed.ack, parsed.leaf, self.offset, parsed.kind == "hole"))
        self.tree.push(parsed.leaf)
        self.offset += len(line) + 1
        self.line += 1
        return False

    def stop_in_closed(self):
        """Why the run stops, for a segment in which nothing may be torn."""
        if self.stop.rule == "torn":
            return Bad("line-shape", "a line without end in a closed segment")
        return self.stop

    def fits(self, parsed):
        """Bad unless the line may stand at the end of the run."""
        if parsed.seq != self.next_seq:
            raise Bad("line-seq", "out of sequence", str(self.next_seq), str(parsed.seq))
        allowed = {parsed.seq}
        if self.lines:
            allowed.add(self.lines[-1][1])
        if parsed.ack not in allowed:
            want = " or ".join(str(a) for a in sorted(allowed))
            raise Bad("line-ack", "ack neither goes on with the batch nor begins one", want, str(parsed.ack))


BLOB = re.compile(rb'\{"blob":"sha256:([0-9a-f]{64})","size":(' + N + rb")(?=[,}])")


def facts(seq, entry, offset, line, options):
    """What the log as a whole is judged by: (seq, kind, value, offset, line)."""
    try:
        norm, _ = cut(entry)
        if options.strict:
            check_entry(entry)
    except NotStrict as e:
        norm = entry
        if options.strict:
            yield seq, "strict", str(e), offset, line
    for m in BLOB.finditer(norm):
        yield seq, "blob", (m[1].decode(), int(m[2])), offset, line
    if b'"log.redacted"' in norm or b"\\" in norm:
        members = top_level(norm)
        data = members.get("data")
        if members.get("type") == "log.redacted" and isinstance(data, dict) and is_strict(entry):
            yield seq, "redacted", (data.get("seqs"), data.get("leaves")), offset, line


def is_strict(entry):
    try:
        check_entry(entry)
        return True
    except NotStrict:
        return False


def open_bytes(path):
    with open(path, "rb") as f:
        if os.fstat(f.fileno()).st_size == 0:
            return b""
        return mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)


def scan_text(path, log_id, name_first, options):
    seg = Segment(path, log_id)
    data = seg.data = open_bytes(path)
    end = data.find(b"\n", 0, MAX_HEADER_LINE)
    if end < 0:
        seg.add(Bad("header", f"no header line within {MAX_HEADER_LINE} bytes"), offset=0, line=1)
        return seg
    if not seg.start(data[:end], log_id, name_first):
        return seg
    while seg.offset < len(data):
        end = data.find(b"\n", seg.offset)
        if end < 0:
            seg.stop = Bad("torn", "the last line does not end")
            return seg
        try:
            if seg.take(data[seg.offset : end], options):
                break
        except Bad as bad:
            seg.stop = bad
            if bad.rule == "seal":
                seg.add(bad, offset=seg.offset, line=seg.line, seq=seg.next_seq)
            return seg
    if seg.sealed and seg.offset < len(data):
        seg.add(Bad("after-seal", "bytes after the seal line"), offset=seg.offset, line=seg.line)
    return seg
