"""Sealed segments (spec/sealed.md)."""

import json
import re
import struct
import subprocess
import zlib

from .entry import cut, top_level
from .findings import Bad, Environment
from .limits import MAX_FRAME, MAX_INDEX, MAX_STORED_FRAME, MAX_WINDOW
from .lines import ENTRY_LINE, SEAL_LINE, crc_of, excerpt
from .segment import Segment, open_bytes
from .strictjson import NotStrict

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
    if at + 4 - off > MAX_STORED_FRAME:
        raise Bad("frame", "the frame is too long as it is stored", f"<= {MAX_STORED_FRAME}", str(at + 4 - off))
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
    m = re.fullmatch(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?Z", text)
    return (m[1], (m[2] or "").ljust(9, "0")) if m else None


def scan_sealed(path, log_id, name_first, options):
    seg = Segment(path, log_id)
    data = open_bytes(path)
    where = {"offset": 0}
    try:
        frames, off = [], 0
        while data[off : off + 4] == ZSTD_MAGIC:
            where = {"offset": off}
            length, content = frame_extent(data, off)
            frames.append((off, length, content))
            off += length
        where = {"offset": off}
        if not frames:
            raise Bad("frame", "not a zstd frame", "28b52ffd", data[:4].hex())
        blocks = []
        for i, (at, length, content) in enumerate(frames):
            where = {"offset": at, "seq": seg.next_seq if seg.header else None}
            packed = data[at : at + length]
            text = decompress(packed, content)
            block = Block(at, length, content, f"{zlib.crc32(packed):08x}")
            block.first = seg.next_seq if seg.header else 0
            blocks.append(block)
            if not scan_frame(seg, text, i, i == len(frames) - 1, block, log_id, name_first, options):
                return seg
        where = {"offset": off}
        index_end = check_index(seg, data, off, blocks)
        where = {"offset": index_end}
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
        if last and not SEAL_LINE.fullmatch(lines[-1]):
            raise Bad("seal", "the last frame is not the seal line")
        if len(lines) != 1:
            raise Bad("frame-lines", f"the {'header' if i == 0 else 'seal'} frame holds more than one line")
        if i == 0:
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
            seg.add(bad, offset=seg.offset, line=seg.line, seq=seg.next_seq)
            return False
        if sealed and not last:
            raise Bad("seal", "a seal line before the last frame")
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
    want, got = expected_index(seg, blocks), text[: m.start()]
    if want != got:
        at = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b), min(len(want), len(got)))
        raise Bad("index", f"the index is not that of the frames, from byte {at} on", excerpt(want[at:]), excerpt(got[at:]))
    return off + 8 + size


def expected_index(seg, blocks):
    """The index as the frames determine it, up to its checksum."""
    listed = []
    for b in blocks:
        block = {"off": b.off, "len": b.len, "raw": b.raw, "first": b.first, "count": b.count}
        if b.times:  # of equal times the first
            block["tmin"] = min(b.times, key=lambda t: t[0])[1]
            block["tmax"] = max(b.times, key=lambda t: t[0])[1]
        if b.types:
            block["types"] = sorted(b.types)
        block["crc"] = b.crc
        listed.append(block)
    value = {"ownlog": 1, "first": seg.first, "size": seg.size, "root": seg.tree.root().hex(), "blocks": listed}
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text[:-1].encode("utf-8", "surrogatepass")


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
