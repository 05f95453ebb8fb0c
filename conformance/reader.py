#!/usr/bin/env python3
"""An independent reader and verifier of ownlog logs.

Written from spec/ alone; it shares no code with the Go implementation. It needs
Python 3.9 or later, its standard library, and the `zstd` command (for sealed
segments only).

    reader.py [--strict] [--store DIR] [--expect HEAD] PATH

PATH is a log directory (a store's `logs/<log-id>`), a store, or one segment
file. The report is one JSON object on standard output; README.md beside this
file describes it. Exit codes: 0 status ok or torn, 1 any other status, 2 usage,
3 environment (no such path, no zstd command).

Nothing is ever written. Text is read through mmap and sealed segments frame by
frame, so memory is bounded by the number of entries (their hashes), not by
their size.
"""

import argparse
import base64
import binascii
import hashlib
import json
import mmap
import os
import re
import struct
import subprocess
import sys
import zlib

MAX_ENTRY = 1_000_000
MAX_RAW = 262_144
MAX_DEPTH = 100
MAX_NUMBER = 2**53 - 1
MAX_HEADER_LINE = 65_536
MAX_FRAME = 6 << 20
MAX_WINDOW = 8 << 20
MAX_INDEX = 64 << 20
SECTOR = 512

# From best to worst; the status of a log is its worst finding's.
STATUSES = ["ok", "torn", "incomplete", "unsupported", "corrupt"]

# Names that may stand in a header's `requires` and are understood. None yet.
KNOWN_REQUIRES = frozenset()


# --- findings -------------------------------------------------------------


class Bad(Exception):
    """Bytes that are not what the specification allows."""

    def __init__(self, rule, reason, expected=None, actual=None, status="corrupt"):
        super().__init__(reason)
        self.rule, self.reason, self.status = rule, reason, status
        self.expected, self.actual = expected, actual


class Environment(Exception):
    """The reader cannot work here; nothing is known about the log."""


def finding(bad, where, offset=None, line=None, seq=None, frame_offset=None):
    """A finding: what is wrong (bad) and where (a Segment or anything with log and file)."""
    f = {"status": bad.status, "rule": bad.rule, "log": where.log, "file": where.file}
    for name, value in (
        ("offset", offset),
        ("frame_offset", frame_offset),
        ("line", line),
        ("seq", seq),
        ("reason", bad.reason),
        ("expected", bad.expected),
        ("actual", bad.actual),
    ):
        if value is not None:
            f[name] = value
    return f


class Place:
    """Somewhere that is not a segment: a log's directory, a blob."""

    def __init__(self, log, file):
        self.log, self.file = log, file


# --- the tree (RFC 6962) --------------------------------------------------


def sha256(*parts):
    h = hashlib.sha256()
    for p in parts:
        h.update(p)
    return h.digest()


def leaf_hash(entry):
    return sha256(b"\x00", entry)


class Frontier:
    """The roots of the perfect subtrees of a growing tree, largest first."""

    def __init__(self, size=0, nodes=()):
        self.size, self.nodes = size, list(nodes)

    def push(self, leaf):
        node, n = leaf, self.size
        while n & 1:
            node = sha256(b"\x01", self.nodes.pop(), node)
            n >>= 1
        self.nodes.append(node)
        self.size += 1

    def root(self):
        if not self.nodes:
            return sha256()
        node = self.nodes[-1]
        for left in reversed(self.nodes[:-1]):
            node = sha256(b"\x01", left, node)
        return node

    def copy(self):
        return Frontier(self.size, self.nodes)


def b64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def head(log, size, root):
    return f"{log}@{size}#{b64url(root)}"


UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def parse_head(text):
    m = re.fullmatch(rf"({UUID})@(0|[1-9][0-9]{{0,15}})#([A-Za-z0-9_-]{{43}})", text)
    if not m or int(m[2]) > MAX_NUMBER:
        raise ValueError("a head is <log-id>@<size>#<43 characters of base64url>")
    root = base64.urlsafe_b64decode(m[3] + "=")
    if head(m[1], int(m[2]), root) != text:
        raise ValueError("not the one spelling of that head")
    return m[1], int(m[2]), root


# --- strict JSON: I-JSON without whitespace ---------------------------------


class NotStrict(Exception):
    pass


TOKEN = re.compile(
    r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
    r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
    r"|true|false|null|[{}\[\],:]"
)


def string_value(token):
    """The value of a string token; NotStrict if it holds an unpaired surrogate."""
    value = json.loads(token)
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise NotStrict("unpaired surrogate escape")
    return value


def check_json(data, lenient=False, max_depth=MAX_DEPTH):
    """Raise NotStrict unless data is one JSON value as strict readers demand.

    lenient is for what stands in `raw`: spaces between tokens, duplicate names
    and any number are let through.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        raise NotStrict(f"invalid UTF-8 at byte {e.start}")
    if any(c < 0x20 for c in data):
        raise NotStrict("control byte")
    pos, depth = 0, 0
    stack = []  # per open object: a set of names; per open array: None
    want = "value"  # value | first-name | name | colon | first-value | end

    def after_value():
        return "comma" if stack else "done"

    while want != "done":
        if lenient and stack:
            while text.startswith(" ", pos):
                pos += 1
        m = TOKEN.match(text, pos)
        if not m:
            raise NotStrict(f"not JSON at character {pos}")
        token, pos = m[0], m.end()
        c = token[0]
        if want in ("name", "first-name"):
            if c == "}" and want == "first-name":
                stack.pop()
                want = after_value()
            elif c == '"':
                name = string_value(token)
                if not lenient and name in stack[-1]:
                    raise NotStrict(f"duplicate name {name!r}")
                stack[-1].add(name)
                want = "colon"
            else:
                raise NotStrict(f"expected a name at character {m.start()}")
        elif want == "colon":
            if c != ":":
                raise NotStrict(f"expected a colon at character {m.start()}")
            want = "value"
        elif want == "comma":
            closing = "]" if stack[-1] is None else "}"
            if c == ",":
                want = "value" if stack[-1] is None else "name"
            elif c == closing:
                stack.pop()
                want = after_value()
            else:
                raise NotStrict(f"expected a comma or {closing} at character {m.start()}")
        else:  # a value
            if c == "{" or c == "[":
                if len(stack) == max_depth:
                    raise NotStrict(f"nested deeper than {max_depth}")
                stack.append(set() if c == "{" else None)
                want = "first-name" if c == "{" else "first-value"
            elif c == "]" and want == "first-value":
                stack.pop()
                want = after_value()
            elif c == '"':
                string_value(token)
                want = after_value()
            elif c in "}],:":
                raise NotStrict(f"expected a value at character {m.start()}")
            else:
                if not lenient and (c == "-" or c.isdigit()):
                    check_number(token)
                want = after_value()
    if pos != len(text):
        raise NotStrict("bytes after the value")


def check_number(token):
    if re.fullmatch(r"-?[0-9]+", token):
        if len(token) > 17 or abs(int(token)) > MAX_NUMBER:
            raise NotStrict("integer beyond 2^53-1")
    elif float(token) in (float("inf"), float("-inf")):
        raise NotStrict("number beyond a double")


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


# --- lines ------------------------------------------------------------------

N = rb"(?:0|[1-9][0-9]{0,15})"
HEX = rb"[0-9a-f]{64}"
BUUID = UUID.encode()

ENTRY_LINE = re.compile(
    rb'\{"seq":(' + N + rb'),"ack":(' + N + rb'),"crc":"([0-9a-f]{8})",'
    rb'(?:"entry":(\{.*)|"redacted":\{"leaf":"(' + HEX + rb')"\})\}',
    re.DOTALL,
)
SEAL_LINE = re.compile(
    rb'\{"size":(' + N + rb'),"crc":"([0-9a-f]{8})","seal":\{"root":"(' + HEX + rb')"\}\}'
)
VERSION = re.compile(rb'\{"ownlog":(' + N + rb"),")
HEADER_LINE = re.compile(
    rb'\{"ownlog":1,"crc":"([0-9a-f]{8})","header":\{"log":"(' + BUUID + rb')",'
    rb'"first":(' + N + rb'),"frontier":\[((?:"' + HEX + rb'"(?:,"' + HEX + rb'")*)?)\],'
    rb'"fork":(?:null|\{"log":"(' + BUUID + rb')","size":(' + N + rb')\}),'
    rb'"requires":(\[(?:"[^"\\\x00-\x1f]*"(?:,"[^"\\\x00-\x1f]*")*)?\])(,.*)?\}\}',
    re.DOTALL,
)


def number(digits):
    n = int(digits)
    if n > MAX_NUMBER:
        raise Bad("line-shape", "number beyond 2^53-1", actual=digits.decode())
    return n


def crc_of(log, line, at):
    """The checksum of a line whose eight digits stand at offset at, as text."""
    crc = zlib.crc32(line[:at], zlib.crc32(log.encode()))
    return f"{zlib.crc32(line[at + 8:], crc):08x}"


def check_crc(log, line, m, group):
    want = crc_of(log, line, m.start(group))
    got = m[group].decode()
    if want != got:
        raise Bad("line-crc", "checksum does not match the line", want, got)


STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]"]', re.DOTALL)


def check_one_object(entry):
    """The canonical split: the entry's braces close at its last byte, and not before."""
    depth = 0
    for m in STRUCTURE.finditer(entry):
        token = m[0]
        if token in (b"{", b"["):
            depth += 1
            if depth > MAX_DEPTH:
                raise Bad("line-split", f"entry is nested deeper than {MAX_DEPTH}")
        elif token in (b"}", b"]"):
            depth -= 1
            if depth == 0 and m.end() != len(entry):
                raise Bad("line-split", "the entry is not one object: it ends early")
        elif token == b'"':
            raise Bad("line-split", "the entry is not one object: a string does not end")
    if depth != 0 or entry[-1:] != b"}":
        raise Bad("line-split", "the entry is not one object: it does not end")


class Line:
    """One line after the header: kind is entry, hole or seal."""

    __slots__ = ("kind", "seq", "ack", "leaf", "entry")

    def __init__(self, kind, seq, ack, leaf, entry=None):
        self.kind, self.seq, self.ack, self.leaf, self.entry = kind, seq, ack, leaf, entry


def parse_line(line, log):
    """A line without its LF, judged by itself: shape, numbers, checksum, split, size."""
    m = ENTRY_LINE.fullmatch(line)
    if m:
        check_crc(log, line, m, 3)
        seq, ack = number(m[1]), number(m[2])
        if ack > seq:
            raise Bad("line-ack", "ack is larger than seq", f"<= {seq}", str(ack))
        if m[5]:
            return Line("hole", seq, ack, bytes.fromhex(m[5].decode()))
        entry = m[4]
        if len(entry) > MAX_ENTRY:
            raise Bad("line-size", "entry is too long", f"<= {MAX_ENTRY}", str(len(entry)))
        check_one_object(entry)
        return Line("entry", seq, ack, leaf_hash(entry), entry)
    m = SEAL_LINE.fullmatch(line)
    if m:
        check_crc(log, line, m, 2)
        return Line("seal", number(m[1]), None, bytes.fromhex(m[3].decode()))
    raise Bad("line-shape", "not a line of this format", actual=excerpt(line))


def excerpt(data, limit=40):
    text = data[:limit].decode("ascii", "backslashreplace")
    return text + ("..." if len(data) > limit else "")


class Header:
    def __init__(self, line):
        """A header line without its LF."""
        if len(line) > MAX_HEADER_LINE:
            raise Bad("header", "header line is too long", f"<= {MAX_HEADER_LINE}", str(len(line)))
        m = VERSION.match(line)
        if m and int(m[1]) != 1:
            raise Bad("version", "another major version", "1", m[1].decode(), "unsupported")
        m = HEADER_LINE.fullmatch(line)
        if not m:
            raise Bad("header", "not a header line", actual=excerpt(line))
        want = crc_of(m[2].decode(), line, m.start(1))
        if want != m[1].decode():
            raise Bad("header", "checksum does not match the header", want, m[1].decode())
        self.log = m[2].decode()
        try:
            check_json(line)
            self.first = number(m[3])
            self.fork = (m[5].decode(), number(m[6])) if m[5] else None
            self.requires = json.loads(m[7])
        except (NotStrict, Bad, ValueError) as e:
            raise Bad("header", f"not a header line: {e}")
        self.frontier = [bytes.fromhex(h) for h in re.findall(r"[0-9a-f]{64}", m[4].decode())]
        if len(self.frontier) != bin(self.first).count("1"):
            raise Bad(
                "header",
                "wrong number of frontier hashes",
                str(bin(self.first).count("1")),
                str(len(self.frontier)),
            )
        start = self.fork[1] if self.fork else 0
        if self.first < start:
            raise Bad("header", "first lies in the parent's part", f">= {start}", str(self.first))
        if self.fork and self.fork[0] == self.log:
            raise Bad("header", "the log is its own parent")
        unknown = [r for r in self.requires if r not in KNOWN_REQUIRES]
        if unknown:
            raise Bad("requires", "needs what this reader does not know", None, unknown[0], "unsupported")


# --- segments ---------------------------------------------------------------


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


BLOB = re.compile(rb'\{"blob":"sha256:([0-9a-f]{64})","size":(' + N + rb")")


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
    if b'"log.redacted"' in norm:
        members = top_level(norm)
        data = members.get("data")
        if members.get("type") == "log.redacted" and isinstance(data, dict):
            yield seq, "redacted", (data.get("seqs"), data.get("leaves")), offset, line


def open_bytes(path):
    with open(path, "rb") as f:
        if os.fstat(f.fileno()).st_size == 0:
            return b""
        return mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)


def scan_text(path, log_id, name_first, options):
    seg = Segment(path, log_id)
    data = seg.data = open_bytes(path)
    end = data.find(b"\n", 0, MAX_HEADER_LINE + 1)
    if end < 0:
        seg.add(Bad("header", "no header line"), offset=0, line=1)
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


# --- sealed segments ----------------------------------------------------------

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
INDEX_MAGIC = 0x184D2A5A
SEEK_MAGIC = 0x184D2A5E
SEEK_FOOTER_MAGIC = 0x8F92EAB1


def frame_extent(data, off):
    """Length and content size of the zstd frame at off, from its headers alone (RFC 8878)."""

    def need(at, n):
        if at + n > len(data):
            raise Bad("frame", "the file ends inside a frame")
        return data[at : at + n]

    descriptor = need(off + 4, 1)[0]
    if descriptor & 0x08:
        raise Bad("frame", "reserved bit set in the frame header")
    if not descriptor & 0x04:
        raise Bad("frame", "frame without checksum")
    if descriptor & 0x03:
        raise Bad("frame", "frame with a dictionary")
    single, fcs_flag = bool(descriptor & 0x20), descriptor >> 6
    at, window = off + 5, None
    if not single:
        b = need(at, 1)[0]
        base = 1 << (10 + (b >> 3))
        window = base + (base >> 3) * (b & 7)
        at += 1
    elif fcs_flag == 0:
        fcs_flag = -1
    width = {-1: 1, 0: 0, 1: 2, 2: 4, 3: 8}[fcs_flag]
    if width == 0:
        raise Bad("frame", "frame without content size")
    content = int.from_bytes(need(at, width), "little") + (256 if width == 2 else 0)
    at += width
    if content > MAX_FRAME:
        raise Bad("frame-size", "frame content is too long", f"<= {MAX_FRAME}", str(content))
    if window is not None and window > MAX_WINDOW:
        raise Bad("frame-window", "window is too large", f"<= {MAX_WINDOW}", str(window))
    last = False
    while not last:
        block = int.from_bytes(need(at, 3), "little")
        last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
        if kind == 3:
            raise Bad("frame", "reserved block type")
        at += 3 + (1 if kind == 1 else size)
    need(at, 4)
    return at + 4 - off, content


def decompress(frame, content):
    """The content of one frame, exactly as long as it declares."""
    try:
        p = subprocess.Popen(
            ["zstd", "-dcq", "--memory=8MiB"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as e:
        raise Environment(f"cannot run zstd: {e}")
    out, err = p.communicate(frame)
    if p.returncode != 0:
        reason = err.decode(errors="replace").strip().replace("\n", " ")
        raise Bad("frame-decode", f"the frame does not decode: {reason}")
    if len(out) != content:
        raise Bad("frame-size", "the frame's content size is wrong", str(content), str(len(out)))
    return out


class Block:
    """What the index must say about one frame."""

    def __init__(self, off, length, raw, crc):
        self.off, self.len, self.raw, self.crc = off, length, raw, crc
        self.first, self.count = 0, 0
        self.types, self.times = set(), []

    def see(self, entry):
        try:
            norm, _ = cut(entry)
        except NotStrict:
            norm = entry
        members = top_level(norm)
        if isinstance(members.get("type"), str):
            self.types.add(members["type"])
        key = time_key(members.get("time"))
        if key:
            self.times.append((key, members["time"]))


def time_key(text):
    """A sortable form of an RFC 3339 time in UTC, None if it is none."""
    if not isinstance(text, str):
        return None
    m = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", text)
    return (m[1], (m[2] or "").ljust(9, "0")) if m else None


def scan_sealed(path, log_id, name_first, options):
    seg = Segment(path, log_id)
    data = open_bytes(path)
    where = {"frame_offset": 0}
    try:
        frames, off = [], 0
        while data[off : off + 4] == ZSTD_MAGIC:
            where = {"frame_offset": off}
            length, content = frame_extent(data, off)
            frames.append((off, length, content))
            off += length
        where = {"frame_offset": off}
        if not frames:
            raise Bad("frame", "not a zstd frame", "28b52ffd", data[:4].hex())
        blocks = []
        for i, (at, length, content) in enumerate(frames):
            where = {"frame_offset": at, "seq": seg.next_seq if seg.header else None}
            packed = data[at : at + length]
            text = decompress(packed, content)
            block = Block(at, length, content, f"{zlib.crc32(packed):08x}")
            block.first = seg.next_seq if seg.header else 0
            blocks.append(block)
            if not scan_frame(seg, text, i, i == len(frames) - 1, block, log_id, name_first, options):
                return seg
        where = {"frame_offset": off}
        if not seg.sealed:
            raise Bad("seal", "the last frame is not the seal line")
        index_end = check_index(seg, data, off, blocks)
        where = {"frame_offset": index_end}
        check_seek_table(data, index_end, blocks, index_end - off)
    except Bad as bad:
        seg.sealed = False
        seg.stop = bad
        seg.add(bad, **where)
    return seg


def scan_frame(seg, text, i, last, block, log_id, name_first, options):
    """Read the lines of frame i; False if the segment cannot be read on."""
    if not text.endswith(b"\n"):
        raise Bad("frame-lines", "a frame does not end at the end of a line")
    lines = text[:-1].split(b"\n")
    if i == 0 or last:
        if len(lines) != 1:
            raise Bad("frame-lines", f"the {'header' if i == 0 else 'seal'} frame holds more than one line")
        if i == 0:
            if last:
                raise Bad("seal", "no seal frame")
            ok = seg.start(lines[0], log_id, name_first)
            if ok:
                block.first = seg.first
            return ok
    for line in lines:
        before = len(seg.lines)
        try:
            sealed = seg.take(line, options)
        except Bad as bad:
            seg.stop = bad
            seg.add(bad, frame_offset=block.off, offset=seg.offset, line=seg.line, seq=seg.next_seq)
            return False
        if sealed != last:
            reason = "a seal line before the last frame" if sealed else "the last frame is not the seal line"
            seg.sealed = False
            raise Bad("seal", reason)
        if not sealed:
            block.count += 1
            if not seg.lines[before][4]:
                block.see(ENTRY_LINE.fullmatch(line)[4])
    return True


def check_index(seg, data, off, blocks):
    """Check the index frame at off against what was read; returns where it ends."""
    if len(data) < off + 8 or struct.unpack_from("<I", data, off)[0] != INDEX_MAGIC:
        raise Bad("index", "no index frame after the seal frame")
    size = struct.unpack_from("<I", data, off + 4)[0]
    if size > MAX_INDEX:
        raise Bad("index", "the index is too long", f"<= {MAX_INDEX}", str(size))
    text = data[off + 8 : off + 8 + size]
    if len(text) != size:
        raise Bad("index", "the file ends inside the index")
    m = re.search(rb',"crc":"([0-9a-f]{8})"\}$', text)
    if not m:
        raise Bad("index", "the index does not end with its checksum")
    want = crc_of(seg.log, text, m.start(1))
    if want != m[1].decode():
        raise Bad("index", "the index's checksum is wrong", want, m[1].decode())
    try:
        check_json(text)
        index = json.loads(text)
    except (NotStrict, ValueError) as e:
        raise Bad("index", f"the index is not JSON: {e}")
    same("ownlog", 1, index.get("ownlog"))
    same("first", seg.first, index.get("first"))
    same("size", seg.size, index.get("size"))
    same("root", seg.tree.root().hex(), index.get("root"))
    listed = index.get("blocks")
    if not isinstance(listed, list) or len(listed) != len(blocks):
        raise Bad("index", "the index lists another number of frames", str(len(blocks)))
    for i, (want, got) in enumerate(zip(blocks, listed)):
        if not isinstance(got, dict):
            raise Bad("index", f"block {i} is not an object")
        for name in ("off", "len", "raw", "first", "count", "crc"):
            same(f"block {i}: {name}", getattr(want, name), got.get(name))
        times = sorted(want.times)
        for name, at in (("tmin", 0), ("tmax", -1)):
            expected = times[at][0] if times else None
            same(f"block {i}: {name}", expected, time_key(got.get(name)) if got.get(name) else None)
        same(f"block {i}: types", sorted(want.types), got.get("types", []))
    return off + 8 + size


def same(what, want, got):
    if type(want) is not type(got) or want != got:
        raise Bad("index", f"{what} is wrong", str(want), str(got))


def check_seek_table(data, off, blocks, index_length):
    """The standard seekable format's table, over every frame before it, the index included."""
    entries = [(b.len, b.raw) for b in blocks] + [(index_length, 0)]
    size = 8 * len(entries) + 9
    want = struct.pack("<II", SEEK_MAGIC, size)
    want += b"".join(struct.pack("<II", *e) for e in entries)
    want += struct.pack("<IBI", len(entries), 0, SEEK_FOOTER_MAGIC)
    got = data[off : off + len(want)]
    if got != want:
        raise Bad("seek-table", "the seek table is wrong or missing", want.hex(), got.hex())
    if len(data) != off + len(want):
        raise Bad("trailing", "bytes after the seek table")


# --- the tail of an open segment ----------------------------------------------


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


# --- logs -----------------------------------------------------------------------

SEGMENT_NAME = re.compile(r"([0-9]{16})\.jsonl(\.zst)?")


class Log:
    """A log as verified.

    leaves   the leaf of every entry that was read without a gap from the start
    tree     the tree over them (a parent's part included)
    """

    def __init__(self, log_id, file):
        self.log, self.file = log_id, file
        self.findings = []
        self.base = 0  # entries that are the parent's
        self.claimed = False  # the tree over those is the first segment's claim only
        self.base_tree, self.tree = Frontier(), Frontier()
        self.leaves = []  # of entry base, base+1, ...
        self.intact = True
        self.holes = {}  # seq -> (leaf, segment)
        self.facts = []  # (seq, kind, value, offset, line, segment)
        self.roots = {}  # asked sizes -> root
        self.parent = None

    def add(self, bad, where=None, **at):
        self.findings.append(finding(bad, where or self, **at))

    def status(self):
        return max((f["status"] for f in self.findings), key=STATUSES.index, default="ok")

    def take(self, seg, upto):
        """Append the lines of seg below upto, if there was no gap so far."""
        for seq, _, leaf, _, hole in seg.lines:
            if seq >= upto:
                break
            if self.intact:
                self.leaves.append(leaf)
                self.tree.push(leaf)
            if hole:
                self.holes[seq] = (leaf, seg)
        for fact in seg.facts:
            if fact[0] < upto:
                self.facts.append(fact + (seg,))

    def take_line(self, line, seg):
        """Append one more line of seg."""
        if self.intact:
            self.leaves.append(line.leaf)
            self.tree.push(line.leaf)
        if line.kind == "hole":
            self.holes[line.seq] = (line.leaf, seg)

    def end(self):
        """The number of entries that were read without a gap, a parent's included."""
        return self.base + len(self.leaves)

    def tree_at(self, size):
        """The tree over the first size entries, None if they were not all read."""
        if self.tree is None or size > self.end():
            return None
        if size < self.base:
            return self.parent.tree_at(size) if self.parent else None
        tree = self.base_tree.copy()
        for leaf in self.leaves[: size - self.base]:
            tree.push(leaf)
        return tree

    def grow_from(self, base, tree):
        """The tree before the first entry of its own: empty, a parent's, or a claim."""
        self.base, self.base_tree, self.tree = base, tree, tree.copy()


def read_log(directory, store, options, descendants=()):
    """Verify the log in a directory. descendants are the forks that led here."""
    name = os.path.basename(os.path.normpath(directory))
    log_id = name if re.fullmatch(UUID, name) else None
    log = Log(log_id, name)
    files = {}
    for entry in sorted(os.listdir(directory)):
        m = SEGMENT_NAME.fullmatch(entry)
        if m:
            files.setdefault(int(m[1]), {})["sealed" if m[2] else "text"] = os.path.join(directory, entry)
    segments = []
    for first in sorted(files):
        seg = choose_form(log, files[first], log_id, first, options)
        segments.append((first, seg))
        log_id = log_id or seg.log
        log.log = log_id
    for _, seg in segments:
        if seg.header:
            begin(log, seg, store, options, descendants)
            break
    chain(log, segments)
    check_named(log)
    check_strict(log)
    if store:
        check_blobs(log, store)
    return log


def choose_form(log, forms, log_id, first, options):
    """Both forms of one segment: the sealed one counts once it verifies."""
    text = scan_text(forms["text"], log_id, first, options) if "text" in forms else None
    if "sealed" not in forms:
        return text
    sealed = scan_sealed(forms["sealed"], log_id, first, options)
    if text is None:
        return sealed
    if not sealed.findings:
        agree(log, text, sealed.lines, sealed.first, sealed.size, "sealed form")
        return sealed
    log.findings += sealed.findings
    return text


def begin(log, seg, store, options, descendants):
    """Start the tree: empty, or where the parent stands at the fork."""
    fork = seg.header.fork
    if not fork:
        return
    parent_id, size = fork
    log.base = size
    log.tree = None
    parent_dir = store and os.path.join(store, "logs", parent_id)
    if not parent_dir or not os.path.isdir(parent_dir):
        log.add(Bad("parent-missing", f"the parent log {parent_id} is not here", status="incomplete"), seg)
        return
    if parent_id in descendants or parent_id == log.log:
        log.add(Bad("fork", f"the fork's ancestors form a circle: {parent_id}"), seg)
        return
    parent = log.parent = read_log(parent_dir, store, options, (*descendants, log.log))
    tree = parent.tree_at(size)
    if tree is not None and not parent.claimed:
        log.grow_from(size, tree)
        return
    status = parent.status()
    status = status if status in ("corrupt", "unsupported") else "incomplete"
    reason = f"the parent's first {size} entries cannot be read; it has {parent.end()}"
    log.add(Bad("parent-short", reason, status=status), seg)
    log.findings += [f for f in parent.findings if f["status"] == status]


def chain(log, segments):
    """Put the segments together: each contributes what lies before the next one."""
    pos = log.base
    covering = None  # the sealed segment that pos is the end of
    fork = next((s.header.fork for _, s in segments if s.header), None)
    for i, (first, seg) in enumerate(segments):
        after = segments[i + 1][0] if i + 1 < len(segments) else None
        log.findings += seg.findings
        if seg.header is None:
            pos, covering, log.intact = after or pos, None, False
            continue
        if seg.header.fork != fork:
            log.add(Bad("fork", "another fork than in the first segment"), seg, offset=0, line=1)
        if covering and first < pos:
            agree(log, seg, covering.lines, covering.first, pos, "sealed segment over it")
            continue
        if first > pos:
            reason = f"entries {pos} to {first - 1} are missing"
            log.add(Bad("missing", reason, status="incomplete"), seg, seq=pos)
            log.intact = False
        join(log, seg)
        covering = None
        if seg.sealed:
            log.take(seg, seg.size)
            pos, covering = seg.size, seg
        elif seg.findings:
            log.take(seg, seg.next_seq)
            pos = after if after is not None else seg.next_seq
        elif after is not None:
            pos = closed_by_next(log, seg, after)
        else:
            open_tail(log, seg)
        if seg.findings:
            log.intact = False


def join(log, seg):
    """The segment's frontier must be that of the entries before it, where these are known."""
    if not log.intact:
        return
    if log.tree is None:  # a fork without its parent: a claim is all there is
        log.grow_from(seg.first, Frontier(seg.first, seg.header.frontier))
        log.claimed = True
        return
    if log.tree.nodes != seg.header.frontier:
        want = ",".join(n.hex() for n in log.tree.nodes)
        got = ",".join(n.hex() for n in seg.header.frontier)
        bad = Bad("frontier", "the frontier is not that of the entries before it", want, got)
        log.add(bad, seg, offset=0, line=1)
        log.intact = False


def closed_by_next(log, seg, after):
    """An unsealed segment with another after it; returns where its part ends."""
    log.take(seg, after)
    if seg.next_seq < after:
        if seg.offset == len(seg.data):
            return seg.next_seq  # the gap is reported with the next segment
        log.add(seg.stop_in_closed(), seg, offset=seg.offset, line=seg.line, seq=seg.next_seq)
        log.intact = False
        return after
    check_dead(log, seg, after)
    return after


def check_dead(log, seg, limit):
    """Lines at or after limit are dead, unless one proves that they were durable.

    The rest of a failed append may be torn like any tail; what cannot be torn is damage.
    """
    if seg.next_seq > limit:
        index = limit - seg.first
        start, line = seg.lines[index][3], seg.line - (len(seg.lines) - index)
    else:
        start, line = seg.offset, seg.line
    proof = proof_of_more(seg, start, limit)
    if proof:
        bad = Bad("dead-ack", f"the log goes on at {limit} in another segment, but here is {proof}")
        log.add(bad, seg, offset=start, line=line, seq=limit)
        return
    bad, _ = judge_tail(seg)
    if bad and bad.status == "corrupt":
        log.add(bad, seg, offset=seg.offset, line=seg.line, seq=seg.next_seq)


def agree(log, seg, lines, first, limit, what):
    """A segment that a sealed one stands over: its entries must be the same."""
    if seg.header is None:
        return
    for seq, _, leaf, offset, _ in seg.lines:
        if seq >= limit:
            break
        if leaf != lines[seq - first][2]:
            bad = Bad("stale", f"entry {seq} is another one in the {what}", lines[seq - first][2].hex(), leaf.hex())
            log.add(bad, seg, offset=offset, line=seq - seg.first + 2, seq=seq)
            return
    if seg.sealed:
        if seg.size > limit:
            log.add(Bad("dead-ack", f"sealed at {seg.size}, past the end of the {what}"), seg, seq=limit)
        return
    if not isinstance(seg.data, mmap.mmap):
        return
    if seg.next_seq < limit:
        if seg.stop and not seg.findings:
            log.add(seg.stop_in_closed(), seg, offset=seg.offset, line=seg.line, seq=seg.next_seq)
    else:
        check_dead(log, seg, limit)


def open_tail(log, seg):
    """The last segment, not sealed: the only one that may be torn."""
    log.take(seg, seg.next_seq)
    bad, line = judge_tail(seg)
    if bad:
        log.add(bad, seg, offset=seg.offset, line=seg.line, seq=seg.next_seq)
        if line:
            log.take_line(line, seg)


def named_holes(facts_, seqs):
    """The (seq, leaf) pairs that redaction notices name, each before its notice."""
    for fact in facts_:
        seq, kind, value = fact[:3]
        if kind != "redacted":
            continue
        hidden, leaves = value
        if isinstance(hidden, list) and isinstance(leaves, list) and len(hidden) == len(leaves):
            for s, leaf in zip(hidden, leaves):
                if type(s) is int and s < seq and s in seqs:
                    yield s, leaf


def check_named(log):
    """A hole may hide anything, so a later entry must name it."""
    holes = dict(log.holes)
    if log.parent:
        for seq, hole in log.parent.holes.items():
            if seq < log.base:
                holes[seq] = hole
    facts_ = log.facts + (log.parent.facts if log.parent else [])
    named = set(named_holes(facts_, holes))
    for seq, (leaf, seg) in sorted(holes.items()):
        if (seq, leaf.hex()) not in named:
            log.add(Bad("hole", f"entry {seq} was redacted, and no later entry says so"), seg, seq=seq)
    if log.parent:  # what grandparents hide and this log's children may ask for
        log.holes, log.facts = holes, facts_


def check_strict(log):
    for seq, kind, value, offset, line, seg in log.facts:
        if kind == "strict":
            log.add(Bad("entry", f"entry {seq}: {value}"), seg, offset=offset, line=line, seq=seq)


def check_blobs(log, store):
    """Every blob that an entry names is there and is what it is called."""
    seen = {}
    for seq, kind, value, offset, line, seg in log.facts:
        if kind != "blob":
            continue
        digest, size = value
        if digest not in seen:
            seen[digest] = blob_state(store, digest)
        state, actual = seen[digest]
        where = Place(log.log, digest)
        if state == "missing":
            log.add(Bad("blob-missing", "blob is not in the store", status="incomplete"), where, seq=seq)
        elif state == "wrong":
            log.add(Bad("blob", "blob's content does not have its digest", digest, actual), where, seq=seq)
        elif state == "gone":
            log.add(Bad("blob-gone", "blob was redacted", status="ok"), where, seq=seq)
        elif actual != size:
            bad = Bad("blob-size", f"entry {seq} gives another size for the blob", str(actual), str(size))
            log.add(bad, seg, offset=offset, line=line, seq=seq)


def blob_state(store, digest):
    path = os.path.join(store, "blobs", "sha256", digest[:2], digest)
    try:
        h, size = hashlib.sha256(), 0
        with open(path, "rb") as f:
            while chunk := f.read(1 << 20):
                h.update(chunk)
                size += len(chunk)
    except FileNotFoundError:
        return ("gone" if os.path.exists(path + ".gone") else "missing"), None
    return ("there", size) if h.hexdigest() == digest else ("wrong", h.hexdigest())


def check_expected(log, text):
    want_log, size, root = parse_head(text)
    if log.log != want_log:
        log.add(Bad("head", "another log than the expected head's", want_log, log.log))
        return
    tree = log.tree_at(size)
    if tree is None:
        bad = Bad("head", f"the log does not reach the expected size {size}", status="incomplete")
        log.add(bad, seq=log.end())
    elif tree.root() != root:
        log.add(Bad("head", "another history than the expected head's", b64url(root), b64url(tree.root())))


def read_segment(path, options):
    """One segment file by itself: undamaged and consistent with its own frontier."""
    m = SEGMENT_NAME.fullmatch(os.path.basename(path))
    first = int(m[1]) if m else None
    with open(path, "rb") as f:
        is_sealed = f.read(4) == ZSTD_MAGIC or path.endswith(".zst")
    scan = scan_sealed if is_sealed else scan_text
    seg = scan(path, None, first, options)
    log = Log(seg.log, os.path.basename(path))
    log.findings += seg.findings
    if seg.header is None:
        return log
    log.grow_from(seg.first, Frontier(seg.first, seg.header.frontier))
    if seg.sealed or seg.findings:
        log.take(seg, seg.next_seq)
    else:
        open_tail(log, seg)
    check_strict(log)
    return log


# --- the command ------------------------------------------------------------------


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


def store_of(directory):
    logs = os.path.dirname(os.path.abspath(directory))
    return os.path.dirname(logs) if os.path.basename(logs) == "logs" else None


def run(options):
    path = options.path
    if not os.path.exists(path):
        raise Environment(f"no such file or directory: {path}")
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
    parser.add_argument("path", metavar="PATH", help="log directory, store, or segment file")
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
