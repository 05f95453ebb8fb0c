"""The lines of a text segment (spec/lines.md)."""

import json
import re
import zlib

from .findings import Bad
from .limits import MAX_DEPTH, MAX_ENTRY, MAX_HEADER_LINE, MAX_NUMBER
from .strictjson import NotStrict, check_json
from .tree import UUID, leaf_hash

# Names that may stand in a header's `requires` and are understood. None yet.
KNOWN_REQUIRES = frozenset()

N = rb"(?:0|[1-9][0-9]{0,15})"
HEX = rb"[0-9a-f]{64}"
NAME = rb'"[!#-\[\]-~]*"'
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
    rb'"requires":(\[(?:' + NAME + rb'(?:,' + NAME + rb')*)?\])(,.*)?\}\}',
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
        if len(line) + 1 > MAX_HEADER_LINE:
            raise Bad("header", "header line is too long", f"<= {MAX_HEADER_LINE}", str(len(line) + 1))
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
            check_one_object(line[line.index(b'"header":') + 9 : -1])
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
