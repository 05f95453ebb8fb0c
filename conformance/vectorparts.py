"""The pieces that vectors are made of: entries, tree, lines, segments, zstd frames.

makevectors.py puts them together. Nothing here comes from a reader.
"""

import base64
import hashlib
import json
import re
import struct
import zlib

LOG = "6f776e6c-6f67-4000-8000-000000000001"
PARENT = "6f776e6c-6f67-4000-8000-000000000002"
GRANDPARENT = "6f776e6c-6f67-4000-8000-000000000003"


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def note(i, **more):
    """An ordinary entry."""
    second = f"{i % 60:02d}"
    return compact(
        {
            "v": 1,
            "type": "note.added",
            "time": f"2026-01-02T03:04:{second}Z",
            "actor": {"kind": "user"},
            "id": f"AAAAAAAAAAAAAAAAAAAA{i % 100:02d}",
            **more,
            "data": {"text": f"note {i}"},
        }
    )


def notes(n, start=0):
    return [note(i) for i in range(start, start + n)]


def leaf(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def subtree(leaves):
    """RFC 6962, section 2.1, by its recursive definition."""
    if len(leaves) == 0:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + subtree(leaves[:k]) + subtree(leaves[k:])).digest()


def leaves_of(entries):
    """Leaves of entries; a Hole stands for its own."""
    return [e.leaf if isinstance(e, Hole) else leaf(e) for e in entries]


def root(entries):
    return subtree(leaves_of(entries))


def frontier(entries):
    leaves, out, at = leaves_of(entries), [], 0
    for bit in reversed(range(len(leaves).bit_length())):
        if len(leaves) >> bit & 1:
            out.append(subtree(leaves[at : at + (1 << bit)]).hex())
            at += 1 << bit
    return out


def head(log, entries, r=None):
    digest = base64.urlsafe_b64encode(r or root(entries)).rstrip(b"=").decode()
    return f"{log}@{len(entries)}#{digest}"


class Hole:
    """What is left of an entry."""

    def __init__(self, entry):
        self.leaf = leaf(entry)


def with_crc(log, before, after):
    """before and after are the line's bytes around the eight digits."""
    crc = zlib.crc32(after, zlib.crc32(before, zlib.crc32(log.encode())))
    return before + f"{crc:08x}".encode() + after


def header_line(log=LOG, prefix=(), first=None, nodes=None, fork=None, requires=(), more=b"", version=1):
    """A header line without LF; prefix are the entries before the segment."""
    members = compact(
        {
            "log": log,
            "first": len(prefix) if first is None else first,
            "frontier": frontier(prefix) if nodes is None else nodes,
            "fork": fork,
            "requires": list(requires),
        }
    )
    return with_crc(log, b'{"ownlog":%d,"crc":"' % version, b'","header":' + members[:-1] + more + b"}}")


def entry_line(seq, ack, entry, log=LOG):
    if isinstance(entry, Hole):
        body = b'","redacted":{"leaf":"' + entry.leaf.hex().encode() + b'"}}'
    else:
        body = b'","entry":' + entry + b"}"
    return with_crc(log, b'{"seq":%d,"ack":%d,"crc":"' % (seq, ack), body)


def seal_line(size, digest, log=LOG):
    body = b'","seal":{"root":"' + digest.hex().encode() + b'"}}'
    return with_crc(log, b'{"size":%d,"crc":"' % size, body)


class Text:
    """A live segment as it grows."""

    def __init__(self, prefix=(), log=LOG, **header):
        self.log, self.prefix, self.entries = log, list(prefix), []
        self.data = header_line(log, self.prefix, **header) + b"\n"

    @property
    def seq(self):
        return len(self.prefix) + len(self.entries)

    @property
    def all(self):
        return self.prefix + self.entries

    def batch(self, *entries):
        """Append entries as one batch."""
        ack = self.seq
        for e in entries:
            self.data += entry_line(self.seq, ack, e, self.log) + b"\n"
            self.entries.append(e)
        return self

    def each(self, *entries):
        """Append every entry as a batch of its own."""
        for e in entries:
            self.batch(e)
        return self

    def raw(self, data):
        """Append bytes as they are, known to nobody."""
        self.data += data
        return self

    def seal(self, size=None, digest=None):
        size = self.seq if size is None else size
        self.data += seal_line(size, digest or root(self.all), self.log) + b"\n"
        return self

    def here(self):
        """Where the next line goes, as a finding tells it."""
        return {"offset": len(self.data), "line": self.data.count(b"\n") + 1, "seq": self.seq}


# --- zstd frames by hand (RFC 8878) -------------------------------------------

P1, P2, P3, P4, P5 = (
    11400714785074694791,
    14029467366897019727,
    1609587929392839161,
    9650029242287828579,
    2870177450012600261,
)
M64 = 2**64 - 1


def rotl(x, r):
    return (x << r | x >> (64 - r)) & M64


def xxh64(data):
    """XXH64 with seed 0, whose low four bytes end a zstd frame."""
    n, at = len(data), 0
    if n >= 32:
        v = [(P1 + P2) & M64, P2, 0, -P1 & M64]
        while at + 32 <= n:
            for i, lane in enumerate(struct.unpack_from("<4Q", data, at)):
                v[i] = rotl((v[i] + lane * P2) & M64, 31) * P1 & M64
            at += 32
        h = (rotl(v[0], 1) + rotl(v[1], 7) + rotl(v[2], 12) + rotl(v[3], 18)) & M64
        for x in v:
            h = ((h ^ rotl(x * P2 & M64, 31) * P1 & M64) * P1 + P4) & M64
    else:
        h = P5
    h = (h + n) & M64
    while at + 8 <= n:
        lane = struct.unpack_from("<Q", data, at)[0]
        h = (rotl(h ^ rotl(lane * P2 & M64, 31) * P1 & M64, 27) * P1 + P4) & M64
        at += 8
    if at + 4 <= n:
        h = (rotl(h ^ struct.unpack_from("<I", data, at)[0] * P1 & M64, 23) * P2 + P3) & M64
        at += 4
    for byte in data[at:]:
        h = rotl(h ^ byte * P5 & M64, 11) * P1 & M64
    h = (h ^ h >> 33) * P2 & M64
    h = (h ^ h >> 29) * P3 & M64
    return h ^ h >> 32


def runs(content):
    """content as (byte, length) runs worth a run-length block and plain pieces."""
    at = 0
    for m in re.finditer(rb"(.)\1{999,}", content, re.DOTALL):
        yield content[at : m.start()], 0
        yield m[1], m.end() - m.start()
        at = m.end()
    yield content[at:], 0


def zframe(content, declared=None, checksum=True, window=None, size_known=True, dictionary=False, digest=None):
    """One frame. window (a window descriptor byte) makes it a frame with a window."""
    single = window is None
    descriptor = 0x80 if size_known else 0
    descriptor |= (0x20 if single else 0) | (0x04 if checksum else 0) | (0x01 if dictionary else 0)
    out = b"\x28\xb5\x2f\xfd" + bytes([descriptor])
    out += b"" if single else bytes([window])
    out += b"\x07" if dictionary else b""
    out += struct.pack("<I", len(content) if declared is None else declared) if size_known else b""
    blocks = []
    for piece, repeat in runs(content):
        if repeat:
            for at in range(0, repeat, 1 << 17):
                blocks.append((1, min(repeat - at, 1 << 17), piece))
        else:
            for at in range(0, len(piece), 1 << 17):
                part = piece[at : at + (1 << 17)]
                blocks.append((0, len(part), part))
    blocks = blocks or [(0, 0, b"")]
    for i, (kind, size, data) in enumerate(blocks):
        last = i == len(blocks) - 1
        out += (last | kind << 1 | size << 3).to_bytes(3, "little") + data
    if checksum:
        out += struct.pack("<I", (xxh64(content) if digest is None else digest) & 0xFFFFFFFF)
    return out


class Sealed:
    """A sealed segment in its parts, each of which a bad vector may spoil."""

    def __init__(self, prefix=(), frames=(), log=LOG, per_frame=None, **header):
        """frames: lists of entries, one list a frame, each frame one batch."""
        self.log, self.prefix = log, list(prefix)
        self.entries = [e for f in frames for e in f]
        self.size = len(self.prefix) + len(self.entries)
        self.root = root(self.prefix + self.entries)
        self.contents = [header_line(log, self.prefix, **header) + b"\n"]
        self.counts, self.lists = [0], [[]]
        seq = len(self.prefix)
        for f in frames:
            ack = seq
            text = b""
            for e in f:
                text += entry_line(seq, ack, e, log) + b"\n"
                seq += 1
            self.contents.append(text)
            self.counts.append(len(f))
            self.lists.append(f)
        self.contents.append(seal_line(self.size, self.root, log) + b"\n")
        self.counts.append(0)
        self.lists.append([])
        self.frames = None
        self.index = None

    def pack(self):
        if self.frames is None:
            self.frames = [zframe(c) for c in self.contents]
        return self.frames

    def index_value(self):
        self.pack()
        blocks, off, first = [], 0, len(self.prefix)
        for frame, content, count, entries in zip(self.frames, self.contents, self.counts, self.lists):
            block = {"off": off, "len": len(frame), "raw": len(content), "first": first, "count": count}
            values = [json.loads(e) for e in entries if not isinstance(e, Hole)]
            times = [v["time"] for v in values if v.get("time", "").endswith("Z")]
            if times:
                block.update(tmin=min(times), tmax=max(times))
            types = sorted({v["type"] for v in values if "type" in v})
            if types:
                block["types"] = types
            block["crc"] = f"{zlib.crc32(frame):08x}"
            blocks.append(block)
            off += len(frame)
            first += count
        return {
            "ownlog": 1,
            "first": len(self.prefix),
            "size": self.size,
            "root": self.root.hex(),
            "blocks": blocks,
        }

    def index_frame(self, value=None):
        text = compact(value or self.index_value())
        text = with_crc(self.log, text[:-1] + b',"crc":"', b'"}')
        return struct.pack("<II", 0x184D2A5A, len(text)) + text

    def seek_entries(self, index):
        return [(len(f), len(c)) for f, c in zip(self.frames, self.contents)] + [(len(index), 0)]

    @staticmethod
    def seek_frame(entries, count=None, descriptor=0):
        table = b"".join(struct.pack("<II", *e) for e in entries)
        count = len(entries) if count is None else count
        return (
            struct.pack("<II", 0x184D2A5E, len(table) + 9)
            + table
            + struct.pack("<IBI", count, descriptor, 0x8F92EAB1)
        )

    def bytes(self, index=None, seek=None):
        self.pack()
        index = self.index_frame() if index is None else index
        seek = self.seek_frame(self.seek_entries(index)) if seek is None else seek
        return b"".join(self.frames) + index + seek

    @property
    def data(self):
        return self.bytes()
