#!/usr/bin/env python3
"""Makes the conformance vectors.

    makevectors.py             write vectors/ anew
    makevectors.py --check     compare vectors/ with what would be written

Deterministic: the same program writes the same bytes. Sealed files are made of
raw and run-length blocks by hand, so they do not depend on a zstd version. The
one exception is named in FROZEN: it was compressed by the zstd command, is kept
as it was made, and is neither rewritten nor compared.

A vector is a directory (a small store) and a sidecar beside it; README.md
describes both. What a vector must give (size, root, place of the finding) is
computed here from the entries that were put in, not by any reader.
"""

import argparse
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zlib

from vectorparts import (
    GRANDPARENT,
    LOG,
    PARENT,
    Hole,
    Sealed,
    Text,
    compact,
    entry_line,
    frontier,
    head,
    header_line,
    leaf,
    note,
    notes,
    root,
    seal_line,
    with_crc,
    zframe,
)

# Vectors whose bytes depend on the zstd command that made them (1.5.4, -3).
FROZEN = {"good-sealed-compressed"}


class Vector:
    def __init__(self, name, why, files, status, entries, finding, args, path, digest):
        self.name, self.files = name, files
        self.sidecar = {"why": why, "path": path, "args": list(args), "status": status}
        if entries is not None:
            self.sidecar["size"] = len(entries)
            self.sidecar["root"] = (digest or root(entries)).hex()
            if path.endswith(LOG):
                self.sidecar["head"] = head(LOG, entries, digest)
        if finding:
            self.sidecar["finding"] = finding


VECTORS = []


def segment_name(first, sealed=False):
    return f"{first:016d}.jsonl" + (".zst" if sealed else "")


def place(log, *segments):
    """Segments (Text, Sealed, or (name, bytes)) as files of a log's directory."""
    files = {}
    for s in segments:
        if isinstance(s, tuple):
            name, data = s
        else:
            name, data = segment_name(len(s.prefix), isinstance(s, Sealed)), s.data
        files[f"logs/{log}/{name}"] = data
    return files


def vector(name, why, *segments, status, entries=None, finding=None, args=(), more=None, path=None, digest=None):
    """Add a vector: the segments of LOG, and more files (path -> bytes)."""
    files = place(LOG, *segments)
    files.update(more or {})
    path = path or f"logs/{LOG}"
    VECTORS.append(Vector(name, why, files, status, entries, finding, args, path, digest))


def good(name, why, *segments, entries, **more):
    vector("good-" + name, why, *segments, status=more.pop("status", "ok"), entries=entries, **more)


def torn(name, why, segment, kept, at):
    """A torn tail: kept entries are the log's, at is where the tail begins."""
    at = dict(at, file=segment_name(len(segment.prefix)), rule="torn")
    good("torn-" + name, why, segment, entries=kept, status="torn", finding=at)


def bad(name, why, *segments, rule, at=None, file=None, status="corrupt", **more):
    """Damage. at: offset, line, seq of the finding; file: its base name.

    rule is None where several rules are broken and either may be named.
    """
    if file is None:
        last = segments[-1]
        file = last[0] if isinstance(last, tuple) else segment_name(len(last.prefix), isinstance(last, Sealed))
    finding = dict(at or {}, file=file)
    if rule:
        finding["rule"] = rule
    vector("bad-" + name, why, *segments, status=status, finding=finding, **more)


STRICT = ("--strict",)


def make_lines():
    e = notes(8)
    good("no-segments", "a log directory without a segment is an empty log", ("lock", b""), entries=[])
    good("header-only", "a segment may hold no entry yet", Text(), entries=[])
    good("one-entry", "the smallest log with an entry", Text().each(e[0]), entries=e[:1])
    good("seven-entries", "a tree that is not a power of two wide", Text().each(*e[:7]), entries=e[:7])
    t = Text().batch(*e[:3]).batch(e[3]).batch(*e[4:6])
    good("batches", "ack is the seq of the first line of the batch", t, entries=t.all)
    good("smallest-entry", "{} is an entry", Text().each(b"{}"), entries=[b"{}"], args=STRICT)
    t = Text(more=b',"later":{"a":[1,"x"]},"z":null').each(e[0])
    good("header-new-members", "a minor version may add header members after requires", t, entries=t.all)
    t = Text().each(b'{"v":2,"type":"x.unknown","new":[1,2],"data":{"more":true}}')
    good("entry-new-members", "unknown types and members of entries are carried", t, entries=t.all, args=STRICT)
    t = Text().each(b'{"v":1,"type":"x.unknown","crit":true,"data":{}}')
    good("entry-critical", "an unknown critical type stops a replayer, not a reader", t, entries=t.all)
    t = Text().each(b'{"type":"note.added","data":{"text":"\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\x89 \\ud83c\\udf89 \x7f"}}')
    good("utf8", "any valid UTF-8, a surrogate pair and DEL are fine", t, entries=t.all, args=STRICT)
    t = Text().each(
        b'{"a":"}},{\\"seq\\":1,\\"entry\\":{}}","b":"\\\\","c":"\\"}"}',
        b'{"entry":{"entry":{}},"seq":9,"ack":9,"crc":"00000000"}',
    )
    good("entry-looks-like-line", "braces and names inside strings and entries do not split a line", t, entries=t.all, args=STRICT)
    t = Text().each(b'{"a":' * 99 + b"{}" + b"}" * 99)
    good("depth-100", "nesting of 100 is allowed", t, entries=t.all, args=STRICT)
    t = Text().each(b'{"a":1,"a":2}', b'{"a":[}}', b'{"a": 1}', b'{"a":"\\ud800"}', b'{"a":"\xff\x01"}')
    good("not-strict", "without --strict only the split is checked, not the grammar", t, entries=t.all)
    files = [("lock", b""), ("lease", b"{}"), ("0000000000000000.torn", b"x"), (".tmp-0123abcd", b"half a head")]
    files += [("0000000000000001.json", b"x"), ("1.jsonl", b"x"), ("0000000000000000.jsonl.zst.bak", b"x")]
    t = Text().each(e[0])
    good("names-ignored", "only names of segments are read", *files, t, entries=t.all)
    good("directory-ignored", "a directory with the name of a segment is none", t, ("0000000000000001.jsonl/inside", b"x"), entries=t.all)

    def broken(name, why, line, rule, before=2, after=1, **more):
        """A log in which line stands after `before` entries and before `after` more."""
        t = Text().each(*e[:before])
        at = t.here()
        t.raw(line + b"\n")
        for i in range(after):
            t.raw(entry_line(before + 1 + i, before, e[before + 1 + i]) + b"\n")
        bad(name, why, t, rule=rule, at=at, **more)

    fine = entry_line(2, 2, e[2])
    flipped = fine.replace(b"note 2", b"note 3")
    broken("crc", "one bit of an entry has flipped", flipped, "line-crc")
    digits = fine[24:32]
    other = with_crc(PARENT, fine[:24], fine[32:])
    broken("crc-other-log", "the checksum covers the log id: a line of another log is refused", other, "line-crc")
    plain = fine[:24] + f"{zlib.crc32(fine[:24] + fine[32:]):08x}".encode() + fine[32:]
    broken("crc-without-log", "the checksum begins with the log id", plain, "line-crc")
    i = next(i for i in range(200) if any(c in b"abcdef" for c in entry_line(2, 2, note(i))[24:32]))
    line = entry_line(2, 2, note(i))
    broken("crc-upper-case", "hexadecimal digits are lower-case", line[:24] + line[24:32].upper() + line[32:], None)
    broken("crc-zero", "00000000 does not mean absent", fine[:24] + b"00000000" + fine[32:], "line-crc")
    broken("crc-missing", "the checksum is mandatory", b'{"seq":2,"ack":2,"entry":' + e[2] + b"}", "line-shape")
    assert digits != b"00000000"
    broken("seq-gap", "a line is missing, and the next one proves that it was durable", entry_line(3, 3, e[3]), "acknowledged", after=0)
    broken("seq-gap-in-batch", "a line of the batch is missing", entry_line(3, 2, e[3]), "line-seq", after=0)
    broken("seq-repeated", "a line stands twice", entry_line(1, 1, e[1]), "line-seq", after=0)
    broken("seq-leading-zero", "numbers have one spelling", with_crc(LOG, b'{"seq":02,"ack":2,"crc":"', fine[32:]), "line-shape")
    broken("ack-above-seq", "ack is at most seq", entry_line(2, 3, e[2]), None)
    broken("ack-decreases", "ack never decreases", entry_line(2, 0, e[2]), "line-ack")
    t = Text().batch(*e[:3])
    at = t.here()
    t.raw(entry_line(3, 2, e[3]) + b"\n")
    bad("ack-inside-batch", "ack is that of the line before or the line's own seq", t, rule="line-ack", at=at)
    t = Text(e[:2])
    at = t.here()
    t.raw(entry_line(2, 1, e[2]) + b"\n")
    bad("ack-before-segment", "a batch does not span segments: the first line's ack is its seq", Text().each(*e[:2]), t, rule="line-ack", at=at)
    big = with_crc(LOG, b'{"seq":2,"ack":9007199254740992,"crc":"', fine[32:])
    broken("number-too-large", "numbers end at 2^53-1", big, "line-shape")
    spaced = with_crc(LOG, b'{"seq":2, "ack":2,"crc":"', fine[32:])
    broken("line-space", "a line has no space outside its entry", spaced, "line-shape")
    swapped = with_crc(LOG, b'{"ack":2,"seq":2,"crc":"', fine[32:])
    broken("line-order", "members of a line have one order", swapped, "line-shape")
    extra = with_crc(LOG, b'{"seq":2,"ack":2,"new":1,"crc":"', fine[32:])
    broken("line-new-member", "lines have no further members; entries and headers grow", extra, "line-shape")
    broken("crlf", "a line ends in LF alone", fine + b"\r", None)
    broken("empty-line", "there are no empty lines", b"", "line-shape")
    broken("garbage-line", "a line of something else", b"hello", "line-shape")

    def split(name, why, entry):
        broken("split-" + name, why, entry_line(2, 2, entry), "line-split")

    split("two-entries", "a second entry member must not be smuggled in", b'{"a":1},"entry":{"b":2}')
    split("extra-member", "a further member after the entry", b'{"a":1},"b":{}')
    split("string-open", "the last quote opens a string", b'{"a":"}')
    split("string-escaped", "an escaped quote does not end a string", b'{"a":"\\"}')
    split("unbalanced", "braces left open", b'{"a":{"b":1}')
    split("depth-101", "nesting of 101 is refused by every reader", b'{"a":' * 100 + b"{}" + b"}" * 100)
    array = with_crc(LOG, b'{"seq":2,"ack":2,"crc":"', b'","entry":[1]}')
    broken("entry-array", "an entry is an object", array, None)
    hole = with_crc(LOG, b'{"seq":2,"ack":2,"crc":"', b'","redacted":{"leaf":"' + b"A" * 64 + b'"}}')
    broken("hole-upper-case", "hashes are lower-case", hole, "line-shape")
    # Runs of one byte, so that a megabyte takes a few hundred bytes on disk.
    longest = b'{"a":"' + b"x" * (1_000_000 - 8) + b'"}'
    s = Sealed(frames=[[longest]])
    good("entry-longest", "1,000,000 bytes are allowed", s, entries=s.entries)
    s = Sealed(frames=[[e[0]], [b'{"a":"' + b"x" * (1_000_001 - 8) + b'"}']])
    bad("entry-too-long", "1,000,001 bytes are not", s, rule="line-size", at={"seq": 1})


def make_headers():
    e = notes(3)
    fine = Text().each(e[0])

    def header(name, why, line, rule="header", log=LOG, file=None, **more):
        body = fine.data[fine.data.index(b"\n") + 1 :]
        segment = (file or segment_name(0), line + b"\n" + body)
        bad("header-" + name, why, segment, rule=rule, at={"offset": 0, "line": 1}, **more)

    line = header_line()
    header("crc", "a bit of the header has flipped", line.replace(b'"first":0', b'"first":2'))
    header("other-log", "a header of another log in this log's directory", header_line(PARENT))
    header("other-name", "first is that of the file's name", line, file=segment_name(1))
    header("frontier-count", "as many frontier hashes as first has bits set", header_line(first=3, nodes=frontier(e[:1])), file=segment_name(3))
    header("upper-case-id", "ids are lower-case", header_line(LOG.upper()))
    header("spaces", "a header has no spaces", with_crc(LOG, line[:19], line[27:].replace(b'"fork":null', b'"fork": null')))
    header("order", "the first header members have one order", with_crc(LOG, line[:19], line[27:].replace(b'"fork":null,"requires":[]', b'"requires":[],"fork":null')))
    header("duplicate", "a new member must not repeat an old name", header_line(more=b',"first":1'))
    header("new-member-broken", "new members are I-JSON", header_line(more=b',"a":[1,]'))
    header("outer-member", "new members go inside the header object", with_crc(LOG, line[:19], line[27:-1] + b',"a":1}'))
    header("outer-object", "the header is one object: none begins behind it", header_line(more=b',"a":1},"b":{"c":1'))
    header("requires-space", "what is required are names without spaces", header_line(requires=["x y"]))
    header("deep", "a header line is nested at most 100 deep", header_line(more=b',"a":' + b"[" * 99 + b"]" * 99))
    room = 65_536 - len(header_line(more=b',"a":""')) - 1
    t = Text(more=b',"a":"' + b"x" * room + b'"').each(e[0])
    good("header-longest", "a header line has at most 65,536 bytes, LF included", t, entries=t.all)
    header("too-long", "a header line has at most 65,536 bytes, LF included", header_line(more=b',"a":"' + b"x" * (room + 1) + b'"'))
    header("first-too-large", "numbers end at 2^53-1", header_line(first=2**53, nodes=frontier(e[:1])), file=f"{2**53:016d}.jsonl")
    header("fork-first", "a fork begins where it left its parent, not before", header_line(fork={"log": PARENT, "size": 2}))
    bad("header-missing", "a segment begins with a header", (segment_name(0), entry_line(0, 0, e[0]) + b"\n"), rule="header", at={"offset": 0, "line": 1})
    bad("header-torn", "a header is durable before its file has a name", (segment_name(0), line), rule="header", at={"offset": 0, "line": 1})
    bad("header-zeros", "a header is durable before its file has a name", (segment_name(0), b"\0" * 512), rule="header", at={"offset": 0, "line": 1})
    bad("file-empty", "a header is durable before its file has a name", (segment_name(0), b""), rule="header", at={"offset": 0, "line": 1})

    def unsupported(name, why, *segments, rule, file=None):
        file = file or segment_name(len(segments[-1].prefix))
        vector("unsupported-" + name, why, *segments, status="unsupported", finding={"file": file, "rule": rule})

    unsupported("version", "another major version is another format", Text(version=2).each(e[0]), rule="version")
    unsupported("version-other-shape", "a later major version may look different after its number", (segment_name(0), b'{"ownlog":7,"what":[]}\nnothing known\n'), rule="version", file=segment_name(0))
    unsupported("requires", "an unknown requirement is refused", Text(requires=["x.compression"]).each(e[0]), rule="requires")
    unsupported("requires-later", "any segment may require something", Text().each(*e[:2]), Text(e[:2], requires=["x.a", "x.b"]).each(e[2]), rule="requires")
    s = Sealed(frames=[[e[0]]], requires=["x.layout"])
    vector("unsupported-requires-sealed", "a sealed segment may require something", s, status="unsupported", finding={"file": segment_name(0, True), "rule": "requires"})


def make_tails():
    e = notes(8)

    def tail():
        """Two acknowledged batches; the third is in flight."""
        return Text().batch(*e[:2]).batch(e[2])

    third = entry_line(3, 3, e[3])
    fourth = entry_line(4, 3, e[4])
    t = tail()
    torn("cut", "the last line is cut", Text().batch(*e[:2]).batch(e[2]).raw(third[:50]), e[:3], t.here())
    torn("cut-first-byte", "one byte of a line", tail().raw(b"{"), e[:3], t.here())
    torn("garbage", "bytes without LF prove nothing", tail().raw(b"\xde\xad\xbe\xef"), e[:3], t.here())
    torn("lf-missing", "a whole line that lacks only its LF is kept", tail().raw(third), e[:4], t.here())
    torn("seal-cut", "a seal line is cut", tail().raw(seal_line(3, root(e[:3]))[:40]), e[:3], t.here())
    torn("seal-lf-missing", "a seal line without LF does not close the segment", tail().raw(seal_line(3, root(e[:3]))), e[:3], t.here())
    torn("zeros", "the file grew, its data did not arrive", tail().raw(b"\0" * 700), e[:3], t.here())
    torn("batch-prefix", "any prefix of a batch may survive", tail().raw(third + b"\n" + fourth[:30]), e[:4], {**tail().raw(third + b"\n").here(), "seq": 4})

    def pad_to(text, offset_of_next):
        """An entry whose line, LF included, ends at the given offset."""
        seq = text.seq
        room = offset_of_next - len(text.data)
        probe = entry_line(seq, seq, b'{"type":"note.added","data":{"text":""}}')
        fill = room - len(probe) - 1
        assert fill >= 0, fill
        return b'{"type":"note.added","data":{"text":"' + b"p" * fill + b'"}}'

    def aligned(entries, at):
        """A text whose next line goes to offset at."""
        t = Text().batch(*entries)
        return t.batch(pad_to(t, at))

    # A batch of three lines over several sectors, of which one is lost.
    wide = [b'{"type":"note.added","data":{"text":"' + c * 400 + b'"}}' for c in (b"a", b"b", b"c")]
    base = Text().batch(e[0])
    lines = b"".join(entry_line(1 + i, 1, w) + b"\n" for i, w in enumerate(wide))
    data = base.data + lines
    hole = data[:1024] + b"\0" * 512 + data[1536:]
    t = Text().batch(e[0], wide[0])
    first_lost = len(base.data) + len(entry_line(1, 1, wide[0])) + 1
    assert 512 < len(base.data) + len(entry_line(1, 1, wide[0])) + 1 < 1024, len(base.data)
    seg = Text().batch(e[0])
    seg.data = hole
    torn("sector-lost", "a sector inside the unacknowledged batch was not written; lines after it do not matter", seg, [e[0], wide[0]], {"offset": first_lost, "line": 4, "seq": 2})
    seg = Text().batch(e[0])
    seg.data = data[:1024] + b"\0" * (len(data) - 1024)
    torn("sectors-lost-to-end", "everything from a sector boundary to the end was not written", seg, [e[0], wide[0]], {"offset": first_lost, "line": 4, "seq": 2})
    seg = Text().batch(e[0])
    seg.data = data[:1100] + b"\0" * 436 + data[1536:]
    bad("tail-zeros-unaligned", "zeros that begin inside a sector are damage, not a lost write", seg, rule="line-crc", at={"offset": first_lost, "line": 4, "seq": 2})
    seg = Text().batch(e[0])
    seg.data = data[:1024] + b"\0" * 400 + data[1424:]
    bad("tail-zeros-end-unaligned", "zeros that end inside a sector are damage, not a lost write", seg, rule="line-crc", at={"offset": first_lost, "line": 4, "seq": 2})

    # A lost sector that was acknowledged: a later batch begins beyond it.
    t = Text().batch(e[0]).batch(*wide)
    t.batch(e[5])
    t.data = t.data[:1024] + b"\0" * 512 + t.data[1536:]
    bad("tail-sector-lost-acknowledged", "a later batch proves that the lost sector was durable", t, rule="acknowledged", at={"offset": first_lost, "line": 4, "seq": 2})
    # The same, with a whole line lost up to the sector's end: the next begins right after a NUL.
    t = aligned([e[0]], 1024)
    lost = t.here()
    t.batch(pad_to(t, 1536))
    t.batch(e[6])
    t.data = t.data[:1024] + b"\0" * 512 + t.data[1536:]
    bad("tail-line-after-zeros", "a line may begin right after a NUL; this one proves a loss", t, rule="acknowledged", at=lost)
    t = aligned([e[0]], 1024)
    lost = t.here()
    t.batch(pad_to(t, 1536), e[6])
    t.data = t.data[:1024] + b"\0" * 512 + t.data[1536:]
    torn("line-after-zeros", "a line right after zeros, but of the same batch: nothing was acknowledged", t, t.all[:2], lost)

    t = tail()
    at = t.here()
    t.raw(third.replace(b"note 3", b"note 9") + b"\n")
    bad("tail-flip-last-line", "the last line is damaged, not torn: its LF is there", t, rule="line-crc", at=at)
    t = tail()
    t.raw(third[:30] + b"\n")
    bad("tail-cut-with-lf", "a line cut short with an LF is damage", t, rule="line-shape", at=at)
    t = tail().raw(third + b"\x0b")
    bad("tail-lf-flipped", "the last line's LF is damaged", t, rule="last-lf", at=at)
    t = tail().raw(third + b"\x0b" + entry_line(4, 4, e[4])[:40])
    bad("tail-lf-flipped-then-cut", "the last whole line's LF is damaged, and a cut line follows", t, rule="last-lf", at=at)
    t = tail().raw(seal_line(3, root(e[:3])) + b"\x0b{")
    bad("tail-seal-lf-flipped", "the LF of a whole seal line is damaged", t, rule="last-lf", at=at)
    t = tail().raw(third.replace(b"note 3", b"note 9") + b"\n").raw(entry_line(4, 4, e[4]) + b"\n")
    bad("tail-flip-acknowledged", "a batch that begins later proves that the damaged line was durable", t, rule="acknowledged", at=at)
    t = tail().raw(third[:90] + b"\n" + entry_line(4, 4, e[4]) + b"\n" + entry_line(5, 5, e[5])[:20])
    bad("tail-torn-and-damaged", "damage before a torn line is still damage", t, rule="acknowledged", at=at)
    t = tail().raw(b"\0" * 100 + b"\n" + seal_line(5, root(e[:5])) + b"\n")
    bad("tail-damage-before-seal", "nothing is torn in a segment that ends in a seal", t, rule="line-shape", at=at)
    t = tail().raw(b"\0" * 100 + b"\n" + seal_line(5, root(e[:5])) + b"\n" + b"x")
    bad("tail-seal-inside", "a seal beyond the damage proves that entries were durable", t, rule="acknowledged", at=at)
    t = tail().raw(b"\n")
    bad("tail-lf-alone", "an LF alone is an empty line", t, rule="line-shape", at=at)


def make_seals():
    e = notes(6)
    t = Text().each(*e[:3]).seal()
    good("text-sealed", "a text segment may be closed by a seal line", t, entries=e[:3])
    t2 = Text(e[:3]).each(*e[3:5])
    good("text-sealed-then-open", "the log goes on after a sealed text segment", t, t2, entries=e[:5])
    t = Text().each(*e[:3])
    at = t.here()
    bad("seal-root", "the seal's root is that of another history", t.seal(digest=root(e[:2])), rule="seal", at=at)
    bad("seal-size", "the seal's size is the number of entries", Text().each(*e[:3]).seal(size=2), rule="seal", at=at)
    t = Text().each(*e[:3]).seal()
    after = {k: t.here()[k] for k in ("offset", "line")}
    bad("seal-line-after", "nothing stands after a seal line", t.raw(entry_line(3, 3, e[3]) + b"\n"), rule="after-seal", at=after)
    bad("seal-torn-after", "nothing stands after a seal line, not even a torn one", Text().each(*e[:3]).seal().raw(b"{"), rule=None, at=after)
    t = Text().each(*e[:2])
    at = t.here()
    t.raw(entry_line(2, 2, e[2]).replace(b"note 2", b"note 7") + b"\n").raw(seal_line(3, root(e[:3])) + b"\n")
    bad("seal-damage-before", "a damaged line in a sealed text segment", t, rule="line-crc", at=at)


def make_chains():
    e = notes(12)
    good("two-segments", "segments contribute in order", Text().each(*e[:3]), Text(e[:3]).each(*e[3:5]), entries=e[:5])
    good("segment-header-only-last", "a new segment may be empty", Text().each(*e[:3]), Text(e[:3]), entries=e[:3])
    a = Text().each(*e[:3]).raw(entry_line(3, 3, e[9]) + b"\n" + entry_line(4, 3, e[10]) + b"\n")
    good("dead-lines", "lines at or after the next segment's first are dead", a, Text(e[:3]).each(*e[3:5]), entries=e[:5])
    a = Text().batch(*e[:2]).batch(*e[2:5])
    good("dead-lines-of-split-batch", "an append cut in the middle of a batch: the next segment starts there", a, Text(e[:3]).batch(e[3]).batch(e[4]), entries=e[:5])
    a = Text().each(*e[:3]).raw(entry_line(3, 3, e[9])[:60])
    good("dead-torn", "a torn tail behind the next segment's first is dead", a, Text(e[:3]).each(*e[3:5]), entries=e[:5])
    a = Text().each(*e[:3]).raw(b"\0" * 700)
    good("dead-zeros", "a failed append may have left sectors unwritten", a, Text(e[:3]).each(e[3]), entries=e[:4])
    a = Text().each(*e[:3]).raw(entry_line(3, 3, e[9]))
    good("dead-lf-missing", "a dead line without LF is dead", a, Text(e[:3]).each(e[3]), entries=e[:4])
    a = Text().each(*e[:3])
    at = a.here()
    a.raw(b"junk\n")
    bad("dead-damaged", "what a failed append cannot have left is damage, though no entry is lost", a, Text(e[:3]).each(e[3]), rule="line-shape", at=at, file=segment_name(0))
    a = Text().each(*e[:3])
    a.raw(seal_line(3, root(e[:3])).replace(b"seal", b"sfal") + b"\n")
    bad("dead-seal-damaged", "a damaged seal between two segments", a, Text(e[:3]).each(e[3]), rule=None, at=at, file=segment_name(0))
    a = Text().each(*e[:3])
    a.raw(entry_line(3, 3, e[9]).replace(b"note 9", b"note 8") + b"\n")
    bad("dead-line-damaged", "a dead line with a flipped bit", a, Text(e[:3]).each(e[3]), rule="line-crc", at=at, file=segment_name(0))
    a = Text().each(*e[:3])
    at = a.here()
    a.batch(e[9]).batch(e[10])
    bad("dead-acknowledged", "a dead line that proves that an entry at its segment's end was acknowledged", a, Text(e[:3]).each(*e[3:5]), rule="dead-ack", at=at, file=segment_name(0))
    a = Text().each(*e[:3]).raw(b"junk\n")
    a.raw(entry_line(5, 5, e[10]) + b"\n")
    bad("dead-acknowledged-after-junk", "the same, behind damaged dead lines", a, Text(e[:3]).each(*e[3:5]), rule="dead-ack", at=at, file=segment_name(0))
    bad("missing-middle", "a segment in the middle is missing", Text().each(*e[:3]), Text(e[:5]).each(e[5]), rule="missing", at={"seq": 3}, status="incomplete")
    bad("missing-first", "the first segment is missing", Text(e[:3]).each(*e[3:5]), rule="missing", at={"seq": 0}, status="incomplete")
    bad("missing-after-sealed", "the segment after a sealed one is missing", Text().each(*e[:3]).seal(), Text(e[:5]).each(e[5]), rule="missing", at={"seq": 3}, status="incomplete")
    a, b = Text().each(*e[:3]), Text(e[:2] + e[8:9]).each(*e[3:5])
    bad("frontier", "the frontier is that of another history", a, b, rule="frontier", at={"offset": 0, "line": 1})
    a = Text().each(*e[:2])
    at = a.here()
    a.raw(entry_line(2, 2, e[2]).replace(b"note 2", b"note 5") + b"\n").raw(entry_line(3, 2, e[3]) + b"\n")
    bad("closed-damaged", "a damaged line in a closed segment", a, Text(e[:4]).each(e[4]), rule="line-crc", at=at, file=segment_name(0))
    a = Text().each(*e[:2]).raw(entry_line(2, 2, e[2])[:70])
    bad("closed-torn", "nothing before the end of a closed segment is torn", a, Text(e[:3]).each(e[3]), rule="line-shape", at=at, file=segment_name(0))
    a = Text().each(*e[:2]).raw(b"\0" * 600)
    bad("closed-zeros", "nothing before the end of a closed segment is torn", a, Text(e[:3]).each(e[3]), rule="line-shape", at=at, file=segment_name(0))
    bad("closed-header", "the header of a later segment is damaged", Text().each(*e[:3]), (segment_name(3), b"x" + Text(e[:3]).each(e[3]).data), rule="header", at={"offset": 0, "line": 1})
    a, b = Text().each(*e[:3]), Text(e[:3]).each(*e[3:5]).raw(entry_line(5, 5, e[5])[:9])
    at = {"seq": 5, "file": segment_name(3), "rule": "torn"}
    good("torn-second-segment", "only the last segment can be torn", a, b, entries=e[:5], status="torn", finding=at)

    sealed = Sealed(frames=[e[:3], e[3:6]])
    stale = Text(e[:2]).each(*e[2:6])
    good("stale-segment", "a segment that starts inside a sealed one is stale and ignored", sealed, stale, Text(e[:6]).each(e[6]), entries=e[:7])
    good("stale-torn", "a stale segment's torn tail lies behind the sealed one's end", sealed, Text(e[:2]).each(*e[2:6]).raw(b'{"seq'), entries=e[:6])
    stale = Text(e[:2]).each(e[2]).raw(entry_line(3, 3, e[3])[:60])
    good("stale-torn-inside", "a stale text that was torn, and whose successor is gone already", sealed, stale, entries=e[:6])
    stale = Text(e[:2]).each(e[2])
    at = stale.here()
    stale.raw(entry_line(3, 3, e[3]).replace(b"note 3", b"note 7") + b"\n").raw(entry_line(4, 3, e[4]) + b"\n")
    bad("stale-damaged", "a damaged line in a stale text", sealed, stale, rule="line-crc", at=at)
    stale = Text(e[:2]).each(e[2])
    stale.raw(b"junk").raw(b"\n").raw(entry_line(4, 4, e[4]) + b"\n")
    bad("stale-damaged-acknowledged", "a damaged line in a stale text that a later one proves", sealed, stale, rule="dead-ack", at=at)
    stale = Text(e[:2]).each(e[2])
    at = stale.here()
    stale.batch(e[9])
    bad("stale-differs", "a stale segment must agree with the sealed one", sealed, stale, rule="stale", at=at)
    stale = Text(e[:2]).each(*e[2:6])
    at = stale.here()
    stale.batch(e[6]).batch(e[7])
    bad("stale-acknowledged", "a stale segment proves entries behind the sealed one's end", sealed, stale, rule="dead-ack", at=at)
    good("both-forms", "text and sealed form of one segment: the sealed one counts", sealed, Text().each(*e[:6]), entries=e[:6])
    good("both-forms-dead-lines", "dead lines of the text are not in the sealed form", sealed, Text().each(*e[:6]).raw(entry_line(6, 6, e[9]) + b"\n"), entries=e[:6])
    text = Text().each(*e[:5])
    at = text.here()
    bad("both-forms-differ", "text and sealed form must agree", sealed, text.batch(e[9]), rule="stale", at=at)
    text = Text().each(*e[:6])
    text.data = text.data.replace(b'"first":0', b'"first":1', 1)
    bad("both-forms-text-header", "the text beside a sealed form is damaged", sealed, text, rule="header", at={"offset": 0, "line": 1})
    spoiled = bytearray(sealed.data)
    spoiled[len(sealed.frames[0]) + 40] ^= 1
    bad("both-forms-sealed-damaged", "a damaged sealed form is damage even if the text is still there", Text().each(*e[:6]), (segment_name(0, True), bytes(spoiled)), rule="frame-decode", file=segment_name(0, True), entries=e[:6])


def make_holes():
    e = notes(5)

    def redacted(seqs, entries):
        data = {"seqs": seqs, "leaves": [leaf(x).hex() for x in entries], "reason": "secret"}
        return compact({"v": 1, "type": "log.redacted", "time": "2026-01-02T03:05:00Z", "actor": {"kind": "user"}, "data": data})

    named = redacted([1], [e[1]])
    whole = [e[0], e[1], e[2], named]
    t = Text().each(e[0], Hole(e[1]), e[2]).seal()
    t2 = Text(whole[:3]).each(named)
    good("hole", "a redacted entry leaves its leaf, a later entry names it, the root stays", t, t2, entries=whole)
    good("hole-not-yet", "an entry may be named and still be there (another copy redacted it)", Text().each(*whole), entries=whole)
    two = redacted([0, 2], [e[0], e[2]])
    t = Sealed(frames=[[Hole(e[0]), e[1], Hole(e[2]), two]])
    good("hole-sealed", "holes in a sealed segment, two named at once", t, entries=[e[0], e[1], e[2], two])
    t = Text().each(e[0], Hole(e[1]), e[2])
    bad("hole-unnamed", "a hole that no entry names may hide anything", t, rule="hole", at={"seq": 1})
    t = Text().each(e[0], named, Hole(e[2]))
    bad("hole-other-named", "another entry is named", t, rule="hole", at={"seq": 2})
    early = redacted([2], [e[2]])
    t = Text().each(e[0], early, Hole(e[2]))
    bad("hole-named-before", "the notice must come later than the hole", t, rule="hole", at={"seq": 2})
    t = Text().each(e[0], Hole(e[1]), redacted([1], [e[3]]))
    bad("hole-other-leaf", "the notice must give the hole's leaf", t, rule="hole", at={"seq": 1})
    fake = compact({"v": 1, "type": "note.added", "data": {"text": "log.redacted", "type": "log.redacted", "seqs": [1], "leaves": [leaf(e[1]).hex()]}})
    t = Text().each(e[0], Hole(e[1]), fake)
    bad("hole-named-by-note", "only an entry of type log.redacted names a hole", t, rule="hole", at={"seq": 1})
    escaped = named.replace(b'"log.redacted"', b'"log\\u002eredacted"').replace(b'"seqs"', b'"se\\u0071s"')
    t = Text().each(e[0], Hole(e[1]), e[2], escaped)
    good("hole-named-in-escapes", "names and values are taken as JSON reads them", t, entries=[e[0], e[1], e[2], escaped], args=STRICT)

    def names_nothing(name, why, notice):
        t = Text().each(e[0], Hole(e[1]), notice)
        bad("hole-named-" + name, why, t, rule="hole", at={"seq": 1})

    names_nothing("twice", "of a doubled name either could count: the entry names nothing", named.replace(b'"seqs":[1]', b'"seqs":[7],"seqs":[1]'))
    names_nothing("by-fraction", "positions are integers", named.replace(b"[1]", b"[1.0]"))
    names_nothing("beside-array", "a notice with anything but integers names nothing", redacted([[], 1], [e[0], e[1]]))
    names_nothing("beside-large", "a notice that is not I-JSON names nothing", redacted([10**20, 1], [e[0], e[1]]))
    names_nothing("with-more-leaves", "a notice has as many leaves as positions", redacted([1], [e[1], e[2]]))


def make_forks():
    e = notes(12)
    fork = {"log": PARENT, "size": 3}
    parent = place(PARENT, Text(log=PARENT).each(*e[:5]))
    child = Text(e[:3], fork=fork).each(*e[6:8])
    whole = e[:3] + e[6:8]
    good("fork", "a fork's first entries are its parent's; nothing is copied", child, entries=whole, more=parent)
    good("fork-empty", "a fork without an entry of its own", Text(e[:3], fork=fork), entries=e[:3], more=parent)
    good("fork-two-segments", "every segment of a fork names the same fork", child, Text(whole, fork=fork).each(e[8]), entries=whole + e[8:9], more=parent)
    middle = Text(e[:2], log=PARENT, fork={"log": GRANDPARENT, "size": 2}).each(*e[2:5])
    more = {**place(PARENT, middle), **place(GRANDPARENT, Text(log=GRANDPARENT).each(*e[:2], e[9]))}
    good("fork-of-fork", "a fork of a fork", child, entries=whole, more=more)
    low = Text(e[:1], fork={"log": PARENT, "size": 1}).each(e[6])
    good("fork-below-parents-fork", "a fork may leave its parent in the part that is the grandparent's", low, entries=[e[0], e[6]], more=more)
    short = {**place(PARENT, middle), **place(GRANDPARENT, Text(log=GRANDPARENT).each(e[0]))}
    good("fork-parent-short-later", "what the parent lacks behind the fork does not touch the fork", low, entries=[e[0], e[6]], more=short)
    blobless = b'{"a":{"blob":"sha256:%s","size":1}}' % (b"0" * 64)
    later = place(PARENT, Text(log=PARENT).each(e[0], blobless, b'{"a":1,"a":2}'))
    good("fork-parent-blob-later", "neither does what its entries behind the fork say", low, entries=[e[0], e[6]], more=later, args=STRICT)
    broken = Text(log=PARENT).each(*e[:4]).raw(entry_line(4, 4, e[4], PARENT).replace(b"note 4", b"note 5") + b"\n")
    good("fork-parent-damaged-later", "damage in the parent behind the fork does not touch the fork", child, entries=whole, more=place(PARENT, broken))
    good("fork-segment-alone", "one segment by itself is checked against its own frontier", child, entries=whole, path=f"logs/{LOG}/{segment_name(3)}")
    bad("fork-parent-missing", "the parent is not in the store", child, rule="parent-missing", status="incomplete")
    bad("fork-parent-short", "the parent has fewer entries than were forked", child, rule="parent-short", status="incomplete", more=place(PARENT, Text(log=PARENT).each(*e[:2])))
    bad("fork-parent-other", "the parent has another history than the fork's frontier proves", child, rule="frontier", at={"offset": 0, "line": 1}, more=place(PARENT, Text(log=PARENT).each(*e[1:6])))
    broken = Text(log=PARENT).each(e[0]).raw(entry_line(1, 1, e[1], PARENT).replace(b"note 1", b"note 5") + b"\n").raw(entry_line(2, 2, e[2], PARENT) + b"\n")
    bad("fork-parent-damaged", "the parent is damaged before the fork", child, rule="parent-short", more=place(PARENT, broken))
    bad("fork-changes", "another segment names another fork", child, Text(whole, fork={"log": PARENT, "size": 2}).each(e[8]), rule="fork", more=parent)
    bad("fork-forgotten", "another segment names no fork", child, Text(whole).each(e[8]), rule="fork", more=parent)
    bad("fork-gap", "the fork's first segment is missing", Text(whole, fork=fork).each(e[8]), rule="missing", at={"seq": 3}, status="incomplete", more=parent)
    circle = place(PARENT, Text(e[:3], log=PARENT, fork={"log": LOG, "size": 3}).each(*e[3:5]))
    bad("fork-circle", "two logs are each other's parents", child, rule="fork", more=circle)
    itself = Text(e[:3], fork={"log": LOG, "size": 3}).each(e[3])
    bad("fork-of-itself", "a log is not its own parent", itself, rule="header", at={"offset": 0, "line": 1})
    named = compact({"v": 1, "type": "log.redacted", "data": {"seqs": [1], "leaves": [leaf(e[1]).hex()]}})
    holed = place(PARENT, Text(log=PARENT).each(e[0], Hole(e[1]), *e[2:4], named))
    first = compact({"v": 1, "type": "log.redacted", "data": {"seqs": [0], "leaves": [leaf(e[0]).hex()]}})
    holed_first = place(GRANDPARENT, Text(log=GRANDPARENT).each(Hole(e[0]), e[1]))
    passed_by = {**place(PARENT, Text(e[:2], log=PARENT, fork={"log": GRANDPARENT, "size": 2}).each(first)), **holed_first}
    bad("fork-hole-named-elsewhere", "a log of which the fork has no entry names none of its holes", low, rule="hole", at={"seq": 0}, file=segment_name(0), more=passed_by)
    good("fork-hole-in-parent", "a hole in the parent's part is named by the parent, behind the fork", child, entries=whole, more=holed)
    holed = place(PARENT, Text(log=PARENT).each(e[0], Hole(e[1]), *e[2:4]))
    bad("fork-hole-unnamed", "a hole in the parent's part that nobody names", child, rule="hole", at={"seq": 1}, file=segment_name(0), more=holed)


def make_blobs():
    content = b"not really a picture\n"
    digest = hashlib.sha256(content).hexdigest()
    path = f"blobs/sha256/{digest[:2]}/{digest}"

    def entry(size=len(content)):
        reference = {"blob": "sha256:" + digest, "size": size, "media": "image/png"}
        return compact({"v": 1, "type": "user.message", "data": {"content": [{"type": "image", "blob": reference}]}})

    t = Text().each(entry())
    good("blob", "a blob that an entry names is there and has its digest", t, entries=t.all, more={path: content})
    gone = b'{"reason":"secret","time":"2026-01-02T03:04:05Z"}\n'
    good("blob-gone", "a redacted blob leaves a note in its place", t, entries=t.all, more={path + ".gone": gone}, finding={"file": digest, "seq": 0, "rule": "blob-gone"})
    bad("blob-missing", "a blob is missing: copy again", t, rule="blob-missing", file=digest, status="incomplete", at={"seq": 0}, more={"blobs/lock": b""})
    bad("blob-damaged", "a blob's content does not have its digest", t, rule="blob", file=digest, at={"seq": 0}, more={path: content + b"x"})
    t = Text().each(entry(size=5))
    bad("blob-size", "a reference gives the blob's size", t, rule="blob-size", at={"seq": 0}, more={path: content})
    other = b'{"blob":"sha256:' + b"0" * 64 + b'"'
    t = Text().each(b'{"a":' + other + b'}}', b'{"a":' + other + b',"media":"x","size":1}}', b'{"a":' + other + b',"size":1.0}}', b'{"a":' + other.replace(b"blob", b"bl\\u006fb") + b',"size":1}}')
    good("blob-not-a-reference", "a reference begins with blob and size, spelled one way", t, entries=t.all, args=STRICT)
    t = Text().each(b'{"a":' + other + b',"size":05}}', b'{"a":' + other + b',"size":12345678901234567}}')
    good("blob-size-no-number", "a reference's size is a number of the format, whole", t, entries=t.all)
    raw = compact({"blob": "sha256:" + "0" * 64, "size": 1})
    t = Text().each(b'{"rawlen":%d,"type":"vendor.record","data":{"text":"{\\"blob\\":\\"sha256:\\"}"},"raw":%s}' % (len(raw), raw))
    good("blob-in-raw", "what looks like a reference inside raw is none", t, entries=t.all, more={path: content}, args=STRICT)


def make_strict():
    e = notes(1)

    def raw_entry(raw, n=None, norm=b'"v":1,"type":"vendor.record","data":{}'):
        return b'{"rawlen":%d,%s,"raw":%s}' % (len(raw) if n is None else n, norm, raw)

    t = Text().each(
        raw_entry(b'{"type":"user","n":1}'),
        raw_entry(b"[1,2]"),
        raw_entry(b'"text"'),
        raw_entry(b"0"),
        raw_entry(b"null"),
    )
    good("raw", "a record kept verbatim is any one JSON value", t, entries=t.all, args=STRICT)
    t = Text().each(
        raw_entry(b'{"a":1,"a":2}'),
        raw_entry(b'{ "a" : [ 1 , 2 ] }'),
        raw_entry(b'{"a":123456789012345678901234567890,"b":1e999}'),
        raw_entry(b'{"a":' * 97 + b"{}" + b"}" * 97),
        raw_entry(b'{"x":",\\"raw\\":{}"}'),
        raw_entry(b'{"rawlen":1,"raw":1}'),
    )
    good("raw-lenient", "inside raw spaces, duplicate names and any number are left alone", t, entries=t.all, args=STRICT)
    t = Text().each(b'{"a":9007199254740991,"b":-9007199254740991,"c":1.5,"d":1e300,"e":-0,"f":0.1}')
    good("numbers", "integers within 2^53-1 and doubles", t, entries=t.all, args=STRICT)
    t = Text().each(b'{"a":{"rawlen":1,"raw":2}}')
    good("raw-names-inside", "rawlen and raw are reserved at the top only", t, entries=t.all, args=STRICT)

    def strict(name, why, entry):
        t = Text().each(e[0])
        at = t.here()
        bad("strict-" + name, why, t.each(entry), rule="entry", at=at, args=STRICT)

    strict("duplicate-names", "names are unique", b'{"a":1,"a":2}')
    strict("duplicate-escaped", "names are compared after unescaping", b'{"a":1,"\\u0061":2}')
    strict("duplicate-deep", "names are unique in every object", b'{"a":[{"b":1,"c":{},"b":2}]}')
    strict("surrogate", "an unpaired surrogate escape", b'{"a":"\\ud83d"}')
    strict("surrogate-low", "a low surrogate without its high one", b'{"a":"\\udf89\\ud83d"}')
    strict("utf8", "invalid UTF-8", b'{"a":"\xc3("}')
    strict("utf8-overlong", "an overlong form is invalid UTF-8", b'{"a":"\xc0\xaf"}')
    strict("utf8-surrogate", "an encoded surrogate is invalid UTF-8", b'{"a":"\xed\xa0\x80"}')
    strict("control", "a control byte inside a string", b'{"a":"\t"}')
    strict("space", "whitespace outside strings and raw", b'{"a": 1}')
    strict("integer", "an integer beyond 2^53-1", b'{"a":9007199254740992}')
    strict("integer-negative", "an integer beyond -(2^53-1)", b'{"a":-9007199254740992}')
    strict("double", "a number beyond a double", b'{"a":1e400}')
    strict("number", "a number that JSON does not have", b'{"a":01}')
    strict("literal", "a literal that JSON does not have", b'{"a":NaN}')
    strict("comma", "a comma too many", b'{"a":1,}')
    strict("brackets", "brackets that do not match", b'{"a":[}}')
    strict("escape", "an escape that JSON does not have", b'{"a":"\\x"}')
    strict("raw-length", "rawlen does not lead to raw", raw_entry(b'{"b":1}', 6))
    strict("raw-length-zero", "rawlen has no leading zero", b'{"rawlen":07,"v":1,"raw":{"b":1}}')
    strict("raw-length-too-long", "rawlen leads before the start", raw_entry(b'{"b":1}', 900))
    strict("raw-length-absent", "raw without rawlen", b'{"v":1,"raw":{"b":1}}')
    strict("raw-length-not-first", "rawlen is the first member", b'{"v":1,"rawlen":7,"raw":{"b":1}}')
    strict("raw-not-last", "raw is the last member", b'{"rawlen":7,"raw":{"b":1},"v":1}')
    strict("raw-two-values", "raw is one value", raw_entry(b'{"b":1},"c":2'))
    strict("raw-space-around", "no space around raw", raw_entry(b'{"b":1} '))
    strict("raw-surrogate", "no unpaired surrogate in raw", raw_entry(b'{"b":"\\ud800"}'))
    strict("raw-control", "no control byte in raw", raw_entry(b'{"b":\t1}'))
    strict("raw-deep", "raw is nested at most 98 deep", raw_entry(b'{"a":' * 98 + b"{}" + b"}" * 98))
    s = Sealed(frames=[[raw_entry(b'"' + b"x" * 262_142 + b'"')]])
    good("raw-longest", "262,144 bytes of raw are allowed", s, entries=s.entries, args=STRICT)
    s = Sealed(frames=[[raw_entry(b'"' + b"x" * 262_143 + b'"')]])
    bad("strict-raw-too-long", "262,145 bytes of raw are not", s, rule="entry", at={"seq": 0}, args=STRICT)


def make_heads():
    e = notes(7)
    same = "the same entries have the same head, however they are stored: "
    good("head-live", same + "one live segment", Text().batch(*e), entries=e)
    good("head-segments", same + "three segments", Text().each(*e[:2]), Text(e[:2]).batch(*e[2:5]).seal(), Text(e[:5]).each(*e[5:]), entries=e)
    good("head-sealed", same + "sealed", Sealed(frames=[e[:4], e[4:]]), entries=e)
    good("head-sealed-small", same + "sealed, a frame for every entry", Sealed(frames=[[x] for x in e]), entries=e)
    good("head-mixed", same + "sealed, then live", Sealed(frames=[e[:5]]), Text(e[:5]).each(*e[5:]), entries=e)
    good("head-fork", same + "a fork", Text(e[:6], fork={"log": PARENT, "size": 6}).each(e[6]), entries=e, more=place(PARENT, Text(log=PARENT).each(*e)))
    t = Text().each(*e)
    good("expect", "the expected head is the log's", t, entries=e, args=("--expect", head(LOG, e)))
    good("expect-older", "the log extends the expected head", t, entries=e, args=("--expect", head(LOG, e[:4])))
    good("expect-nothing", "every log extends the empty head", t, entries=e, args=("--expect", head(LOG, [])))
    bad("expect-longer", "whole batches are gone; only an outside head can tell", Text().each(*e[:5]), rule="head", file=LOG, status="incomplete", args=("--expect", head(LOG, e)))
    bad("expect-other", "another history of the same size", Text().each(*e[:6], note(99)), rule="head", file=LOG, args=("--expect", head(LOG, e)))


def make_sealed():
    e = notes(9)

    def new():
        return Sealed(frames=[e[:4], e[4:6]])

    name = segment_name(0, True)

    def sealed(label, why, data, rule, at=None):
        bad("sealed-" + label, why, (name, data), rule=rule, at=at)

    good("sealed", "header frame, frames of lines, seal frame, index, seek table", new(), entries=e[:6])
    good("sealed-no-entries", "a sealed segment without an entry", Sealed(frames=[]), entries=[])
    good("sealed-two", "two sealed segments", new(), Sealed(e[:6], [e[6:8]]), entries=e[:8])
    good("sealed-segment-alone", "one sealed segment by itself", Sealed(e[:6], [e[6:8]]), entries=e[:8], path=f"logs/{LOG}/{segment_name(6, True)}")
    s = new()
    s.frames = [zframe(c, window=0x48) for c in s.contents]
    good("sealed-window", "frames with a window of 512 KiB", s, entries=e[:6])
    s = Sealed(frames=[[b'{"v":1}', b'{"v":1,"type":"x.a","time":"yesterday"}'], [note(1)]])
    good("sealed-no-times", "entries need neither type nor time; what is no time is not indexed", s, entries=s.entries)

    s = new()
    s.frames = [zframe(c) for c in s.contents]
    s.frames[1] = zframe(s.contents[1], declared=len(s.contents[1]) + 1)
    sealed("content-size-large", "a frame declares more than it holds", s.data, "frame-decode")
    s.frames[1] = zframe(s.contents[1], declared=len(s.contents[1]) - 1)
    sealed("content-size-small", "a frame holds more than it declares", s.data, "frame-decode")
    s.frames[1] = zframe(s.contents[1], window=0x48, size_known=False)
    sealed("content-size-missing", "every frame declares its content size", s.data, "frame")
    s.frames[1] = zframe(s.contents[1], checksum=False)
    sealed("checksum-missing", "every frame has a checksum", s.data, "frame")
    s.frames[1] = zframe(s.contents[1], digest=1)
    sealed("checksum-wrong", "a frame's checksum is wrong", s.data, "frame-decode")
    s.frames[1] = zframe(s.contents[1], window=0x70)
    sealed("window-too-large", "a window of 16 MiB", s.data, "frame-window")
    s.frames[1] = zframe(s.contents[1], dictionary=True)
    sealed("dictionary", "frames have no dictionary", s.data, "frame")
    padding = b"x" * 900_000
    long = [b'{"a":"' + padding + b'"}'] * 7
    sealed("frame-too-long", "a frame holds at most 6 MiB", Sealed(frames=[long]).data, "frame-size")
    good("sealed-frame-long", "a frame of nearly 6 MiB", Sealed(frames=[long[:6]]), entries=long[:6])

    s = new()
    s.frames = [zframe(s.contents[0] + s.contents[1]), zframe(s.contents[2]), zframe(s.contents[3])]
    s.contents = [s.contents[0] + s.contents[1], s.contents[2], s.contents[3]]
    s.counts, s.lists = [4, 2, 0], [e[:4], e[4:6], []]
    sealed("header-with-lines", "the header has a frame of its own", s.data, "frame-lines")
    s = new()
    s.contents[2:] = [s.contents[2] + s.contents[3]]
    s.counts, s.lists = [0, 4, 2], [[], e[:4], e[4:6]]
    sealed("seal-with-lines", "the seal has a frame of its own", s.data, "frame-lines")
    s = new()
    del s.contents[3], s.counts[3], s.lists[3]
    sealed("seal-missing", "no seal frame", s.data, "seal")
    s = new()
    s.contents[3] = seal_line(6, root(e[:5])) + b"\n"
    sealed("seal-root", "the seal's root is that of another history", s.data, "seal", {"seq": 6})
    s = new()
    s.contents[3] = seal_line(7, s.root) + b"\n"
    sealed("seal-size", "the seal's size is wrong", s.data, "seal", {"seq": 6})
    s = new()
    s.contents[1], s.contents[2] = s.contents[1][:-10], s.contents[1][-10:] + s.contents[2]
    sealed("line-across-frames", "a frame holds whole lines", s.data, "frame-lines")
    s = new()
    s.contents[1], s.contents[2] = s.contents[2], s.contents[1]
    sealed("frames-swapped", "frames stand in order", s.data, "line-seq", {"seq": 0})
    s = new()
    s.contents[2] = s.contents[2].replace(b"note 4", b"note 5")
    sealed("line-damaged", "a line that was sealed damaged", s.data, "line-crc", {"seq": 4})
    s = new()
    s.contents[0] = header_line(version=1, more=b"x") + b"\n"
    sealed("header-damaged", "a header that was sealed damaged", s.data, "header")
    s = new()
    s.pack()
    s.frames[1] += struct.pack("<II", 0x184D2A50, 4) + b"skip"
    sealed("skippable-between", "no other skippable frame stands between", s.data, "seal")

    data = bytearray(new().data)
    data[len(new().pack()[0]) + 60] ^= 4
    sealed("flip", "a flipped bit inside a frame", bytes(data), "frame-decode")
    s = new()
    frames = s.pack()
    sealed("cut-in-frame", "the file ends inside a frame", b"".join(frames)[: len(frames[0]) + 80], "frame")
    sealed("cut-before-seal", "the file ends before the seal frame", b"".join(frames[:3]), "seal")
    sealed("cut-after-seal", "the file ends before the index", b"".join(frames), "index")
    sealed("cut-in-index", "the file ends inside the index", b"".join(frames) + s.index_frame()[:60], "index")
    sealed("seek-table-missing", "the file ends before the seek table", b"".join(frames) + s.index_frame(), "seek-table")
    sealed("trailing-bytes", "bytes after the seek table", s.data + b"\0", "trailing")
    sealed("not-zstd", "text under a sealed name", Text().each(*e[:6]).seal().data, "frame")
    sealed("empty", "an empty sealed file", b"", None)

    def index_lie(label, why, change):
        s = new()
        value = s.index_value()
        change(value)
        sealed("index-" + label, why, s.bytes(index=s.index_frame(value)), "index")

    index_lie("size", "the index gives another size", lambda v: v.update(size=7))
    index_lie("first", "the index gives another first", lambda v: v.update(first=1))
    index_lie("root", "the index gives another root", lambda v: v.update(root=root(e[:5]).hex()))
    index_lie("version", "the index is of another version", lambda v: v.update(ownlog=2))
    index_lie("off", "a block's offset is wrong", lambda v: v["blocks"][2].update(off=v["blocks"][2]["off"] + 1))
    index_lie("len", "a block's length is wrong", lambda v: v["blocks"][1].update(len=10))
    index_lie("raw", "a block's content size is wrong", lambda v: v["blocks"][1].update(raw=10))
    index_lie("block-first", "a block's first entry is wrong", lambda v: v["blocks"][2].update(first=3))
    index_lie("count", "a block's number of entries is wrong", lambda v: v["blocks"][2].update(count=3))
    index_lie("block-crc", "a block's checksum is not that of its bytes", lambda v: v["blocks"][1].update(crc="00000000"))
    index_lie("times", "a block's times are wrong, so a search by time would miss entries", lambda v: v["blocks"][1].update(tmin="2027-01-01T00:00:00Z"))
    index_lie("types", "a block's types are wrong, so a search by type would miss entries", lambda v: v["blocks"][1].update(types=["x.other"]))
    index_lie("block-missing", "the index leaves out a block", lambda v: v["blocks"].pop(1))
    index_lie("more", "the index has these members and no others", lambda v: v.update(more=1))
    index_lie("types-order", "types go by their bytes, each once", lambda v: v["blocks"][1].update(types=v["blocks"][1]["types"] * 2))
    s = Sealed(frames=[[b'{"t\\u0079pe":"x.\\u0061"}', b'{"time":"2026-02-30T24:00:61.5Z"}']])
    good("sealed-index-escapes", "the index takes members as JSON reads them, and no calendar", s, entries=s.entries, args=STRICT)
    same = [b'{"time":"2026-01-02T03:04:05.50Z"}', b'{"time":"2026-01-02T03:04:05.5Z"}', b'{"time":"2026-01-02T03:04:05.500Z"}']
    s = Sealed(frames=[same])
    value = s.index_value()
    value["blocks"][1].update(tmin="2026-01-02T03:04:05.50Z", tmax="2026-01-02T03:04:05.50Z")
    good("sealed-index-equal-times", "of equal times the index gives the first as it is spelled", (name, s.bytes(index=s.index_frame(value))), entries=same)
    s = Sealed(frames=[[b'{"time":"2026-01-02 03:04:05Z"}']])
    value = s.index_value()
    value["blocks"][1].update(tmin="2026-01-02 03:04:05Z", tmax="2026-01-02 03:04:05Z")
    sealed("index-no-time", "what is no time is not in the index", s.bytes(index=s.index_frame(value)), "index")
    s = new()
    index = bytearray(s.index_frame())
    at = index.index(b'"raw":') + 6
    index[at] = index[at] ^ 1
    sealed("index-flip", "the index has a checksum", s.bytes(index=bytes(index)), "index")
    huge = struct.pack("<II", 0x184D2A5A, 0x7FFFFFFF) + s.index_frame()[8:]
    sealed("index-huge", "an index that claims two gigabytes", s.bytes(index=huge), "index")
    index = s.index_frame()
    entries = s.seek_entries(index)

    def table(change):
        return s.seek_frame(change(list(entries)))

    def swap(t):
        return [t[0], (t[1][0] + 1, t[1][1]), (t[2][0] - 1, t[2][1])] + t[3:]

    sealed("seek-table-lengths", "the seek table's lengths are wrong", s.bytes(seek=table(swap)), "seek-table")
    sealed("seek-table-content", "the seek table's content sizes are wrong", s.bytes(seek=table(lambda t: t[:1] + [(t[1][0], 5)] + t[2:])), "seek-table")
    sealed("seek-table-without-index", "the seek table counts the index frame", s.bytes(seek=table(lambda t: t[:-1])), "seek-table")
    sealed("seek-table-count", "the seek table's number of frames is wrong", s.bytes(seek=s.seek_frame(entries, count=9)), "seek-table")
    sealed("seek-table-checksums", "the seek table has no checksums", s.bytes(seek=s.seek_frame(entries, descriptor=0x80)), "seek-table")
    # Frozen: made by the zstd command.
    good("sealed-compressed", "frames compressed by the zstd command", compressed(e), entries=e * 40, digest=root(e * 40))


# The entries of the worked example in spec/example.md.
EXAMPLE = [
    b'{"v":1,"type":"user.message","time":"2026-01-02T03:04:05Z","actor":{"kind":"user"},"id":"4q1ZB2m8Qe6n0pXkJt7yZw","data":{"content":[{"type":"text","text":"Hello"}]}}',
    b'{"rawlen":26,"v":1,"type":"vendor.record","actor":{"kind":"import"},"data":{},"raw":{"say": "hi", "say": "ho"}}',
    b'{"v":1,"type":"note.added","time":"2026-01-02T03:04:06.5Z","actor":{"kind":"user"},"id":"Vb3uTn0cQm2L9wXyRr5kEA","data":{"text":"Bye"}}',
]


def make_example():
    t = Text().batch(*EXAMPLE[:2]).batch(EXAMPLE[2])
    good("example", "the worked example of the specification", t, entries=EXAMPLE, args=STRICT)
    s = Sealed(frames=[EXAMPLE])
    s.contents[1] = t.data[t.data.index(b"\n") + 1 :]
    good("example-sealed", "the worked example of the specification, sealed", s, entries=EXAMPLE, args=STRICT)


def tar(*members):
    """A pack of members: (name, content), or (name, kind, link)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as t:
        for name, content, *link in members:
            m = tarfile.TarInfo(name)
            m.mode = 0o600
            if link:
                m.type, m.linkname = content, link[0]
                t.addfile(m)
            else:
                m.size = len(content)
                t.addfile(m, io.BytesIO(content))
    # tarfile fills up to 10,240 bytes; two empty blocks are the end.
    data = out.getvalue().rstrip(b"\0")
    return data + bytes(-len(data) % 512 + 1024)


def make_packs():
    e = notes(6)
    content = b"\x89PNG" + bytes(range(256))
    digest = hashlib.sha256(content).hexdigest()
    reference = {"blob": "sha256:" + digest, "size": len(content), "media": "image/png"}
    e[1] = compact({"v": 1, "type": "user.message", "data": {"content": [{"type": "image", "blob": reference}]}})
    parent = Text(e[:0], log=PARENT).each(*e[:4]).seal()
    child = Text(e[:2], fork={"log": PARENT, "size": 2}).each(*e[4:]).seal()
    history = e[:2] + e[4:]
    what = {"ownlog": 1, "heads": [head(LOG, history)], "ancestors": [head(PARENT, e[:4])]}
    first, blob = ("ownlog-pack.json", compact(what)), (f"blobs/sha256/{digest[:2]}/{digest}", content)
    old = (f"logs/{PARENT}/{segment_name(0)}", parent.data)
    new = (f"logs/{LOG}/{segment_name(2)}", child.data)

    def pack(name, why, *members, status="corrupt", data=None, entries=None):
        """members make the tar, unless data is it."""
        finding = None if status == "ok" else {"file": "pack.tar", "rule": "pack"}
        kind = {"ok": "good-pack", "corrupt": "bad-pack", "unsupported": "unsupported-pack"}[status]
        files = {"pack.tar": data or tar(*members)}
        v = Vector(kind + name, why, files, status, entries, finding, (), "pack.tar", None)
        if entries is not None:
            v.sidecar["head"] = head(LOG, entries)
        VECTORS.append(v)

    def says(**other):
        return ("ownlog-pack.json", compact({**what, **other}))

    pack("", "a fork with the log it is a fork of, and a blob", first, blob, old, new, status="ok", entries=history)
    pack("-any-order", "only the manifest has its place", first, new, old, blob, status="ok", entries=history)
    note_ = (f"notes/{LOG}/4", b"not looked at\n")
    pack("-more", "signed heads and imports go along", says(imports=[{"from": "x"}]), blob, old, new, note_, status="ok", entries=history)
    sealed = Sealed(frames=[e[2:4], e[4:]])
    both = says(heads=[head(LOG, e[2:])], ancestors=[])
    pack("-sealed", "a sealed segment is packed as it is", both, (f"logs/{LOG}/{segment_name(0, True)}", sealed.data), status="ok", entries=e[2:])

    pack("-empty", "a tar without members", data=tar())
    pack("-manifest-missing", "the manifest is missing", blob, old, new)
    pack("-manifest-late", "the manifest is not the first member", blob, first, old, new)
    pack("-manifest-twice", "there are two manifests", first, first, blob, old, new)
    pack("-manifest-cut", "the manifest is no JSON", ("ownlog-pack.json", first[1][:-1]), blob, old, new)
    pack("-manifest-head", "a head is not spelt as heads are", says(heads=[head(LOG, history).upper()]), blob, old, new)
    pack("-log-twice", "the manifest names a log twice", says(heads=what["heads"] * 2), blob, old, new)
    pack("-head-other", "the log has another head than the manifest says", says(heads=[head(LOG, e[:4])]), blob, old, new)
    pack("-head-smaller", "the log is longer than the manifest says", says(heads=[head(LOG, history[:3])]), blob, old, new)
    pack("-head-larger", "the log is shorter than the manifest says", says(heads=[head(LOG, [*history, e[2]])]), blob, old, new)
    pack("-log-missing", "a log that the manifest names is not there", first, blob, old)
    pack("-ancestor-missing", "a log that the manifest names as an ancestor is not there", first, blob, new)
    pack("-log-unnamed", "a segment of a log that the manifest does not name", says(ancestors=[]), blob, old, new)
    pack("-blob-missing", "a blob that an entry names is not there", first, old, new)
    pack("-blob-other", "a blob does not have its digest", first, (blob[0], content + b"x"), old, new)
    pack("-blob-folder", "a blob is in the folder of others", first, (f"blobs/sha256/{digest[2:4]}/{digest}", content), old, new)
    spoiled = bytearray(new[1])
    spoiled[len(spoiled) // 2] ^= 1
    pack("-segment-damaged", "a bit of a segment is another", first, blob, old, (new[0], bytes(spoiled)))
    pack("-member-twice", "a member stands there twice", first, blob, old, new, new)
    pack("-member-upwards", "a name that leads out of the store", first, blob, old, new, ("logs/../../x", b""))
    pack("-member-absolute", "an absolute name", first, blob, old, new, ("/x", b""))
    pack("-member-other", "a name that packs do not hold", first, blob, old, new, (f"logs/{LOG}/lock", b""))
    pack("-member-dot", "another spelling of a good name", first, blob, old, ("./" + new[0], new[1]))
    pack("-member-directory", "directories are no members", first, ("logs", tarfile.DIRTYPE, ""), blob, old, new)
    pack("-member-link", "a link in the place of a segment", first, blob, old, (new[0], tarfile.SYMTYPE, "/etc/passwd"))
    pack("-member-hard-link", "a hard link in the place of a segment", first, blob, old, (new[0], tarfile.LNKTYPE, old[0]))
    pack("-note-too-long", "a signed head is not that long", first, blob, old, new, (note_[0], bytes(65537)))
    whole = tar(first, blob, old, new)
    pack("-cut", "the file ends inside a member", data=whole[: whole.index(new[1]) + 100])
    pack("-not-a-tar", "no tar at all", data=first[1] * 10)
    pack("-version", "a later layout of packs", says(ownlog=2), blob, old, new, status="unsupported")


def compressed(e):
    """A sealed segment whose frames the zstd command compresses."""
    s = Sealed(frames=[e * 20, e * 20])
    s.frames = []
    for c in s.contents:
        command = ["zstd", "-3", "-cq", "--check", f"--stream-size={len(c)}"]
        s.frames.append(subprocess.run(command, input=c, stdout=subprocess.PIPE, check=True).stdout)
    return s


def write(directory):
    for v in VECTORS:
        if v.name in FROZEN and os.path.exists(os.path.join(HERE, "vectors", v.name)):
            continue
        for path, data in v.files.items():
            target = os.path.join(directory, v.name, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as f:
                f.write(data)
        with open(os.path.join(directory, v.name + ".json"), "w") as f:
            json.dump(v.sidecar, f, indent=1, ensure_ascii=False)
            f.write("\n")


def tree_of(directory):
    """Every file under directory, by path, but those of frozen vectors."""
    files = {}
    for base, _, names in os.walk(directory):
        for n in names:
            path = os.path.join(base, n)
            relative = os.path.relpath(path, directory)
            vector_name = relative.split(os.sep)[0].removesuffix(".json")
            if vector_name not in FROZEN:
                with open(path, "rb") as f:
                    files[relative] = f.read()
    return files


HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    parser = argparse.ArgumentParser(description="Make the conformance vectors.")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args()
    for make in (make_lines, make_headers, make_tails, make_seals, make_chains, make_holes, make_forks, make_blobs, make_strict, make_heads, make_sealed, make_packs, make_example):
        make()
    names = [v.name for v in VECTORS]
    assert len(names) == len(set(names)), "two vectors of one name"
    target = os.path.join(HERE, "vectors")
    if not options.check:
        if os.path.isdir(target):
            for n in os.listdir(target):
                if n.removesuffix(".json") in FROZEN:
                    continue
                path = os.path.join(target, n)
                shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
        os.makedirs(target, exist_ok=True)
        write(target)
        print(f"{len(VECTORS)} vectors written")
        return 0
    with tempfile.TemporaryDirectory() as fresh:
        write(fresh)
        want, got = tree_of(fresh), tree_of(target)
    differing = sorted(p for p in want.keys() | got.keys() if want.get(p) != got.get(p))
    for p in differing:
        print(f"differs: {p}")
    print(f"{len(want)} files compared, {len(differing)} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
