"""Packs: logs and blobs in one tar (spec/pack.md)."""

import binascii
import hashlib
import json
import os
import re
import tarfile
import tempfile

from .findings import Bad, Place, finding
from .log import read_log
from .tree import UUID, head, parse_head

MANIFEST = "ownlog-pack.json"
SEGMENT = re.compile(rf"logs/({UUID})/[0-9]{{16}}\.jsonl(\.zst)?")
BLOB = re.compile(r"blobs/sha256/([0-9a-f]{2})/(\1[0-9a-f]{62})")
NOTE = re.compile(rf"notes/{UUID}/(0|[1-9][0-9]{{0,15}})")
MAX_MANIFEST, MAX_NOTE, CHUNK = 64 << 20, 64 << 10, 1 << 20


def read_pack(path, options):
    """Verify a pack: (head of the first log it is for, or None; findings)."""
    place = Place(None, os.path.basename(path))
    with tempfile.TemporaryDirectory() as store:
        try:
            try:
                with tarfile.open(path, "r:") as tar:
                    heads = extract(tar, store)
            except (tarfile.TarError, EOFError) as e:
                raise Bad("pack", f"not a tar: {e}")
            for text in heads[1] + heads[0]:
                check_log(store, text, options)
        except Bad as bad:
            return None, [finding(bad, place)]
    return heads[0][0] if heads[0] else None, []


def extract(tar, store):
    """Take the members apart into a store; the manifest's heads and ancestors."""
    seen, heads = set(), None
    for member in tar:
        name = member.name if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) else None
        segment, blob, note = (name and r.fullmatch(name) for r in (SEGMENT, BLOB, NOTE))
        if not (name == MANIFEST or segment or blob or note):
            raise Bad("pack", "a member of another name or kind", actual=repr(member.name))
        if name in seen:
            raise Bad("pack", "a member stands in it twice", actual=name)
        if (name == MANIFEST) != (not seen):
            raise Bad("pack", f"{MANIFEST} is not its first member")
        if note and member.size > MAX_NOTE or name == MANIFEST and member.size > MAX_MANIFEST:
            raise Bad("pack", "a member is too long", actual=name)
        seen.add(name)
        if name == MANIFEST:
            heads = manifest(tar.extractfile(member).read())
            named = {parse_head(h)[0] for h in heads[0] + heads[1]}
            continue
        if segment and segment[1] not in named:
            raise Bad("pack", "a segment of a log that the manifest does not name", actual=name)
        digest = copy(tar.extractfile(member), os.path.join(store, name), member.size)
        if blob and digest != blob[2]:
            raise Bad("pack", "a blob does not have its digest", blob[2], digest)
    if heads is None:
        raise Bad("pack", "it is empty")
    return heads


def manifest(data):
    try:
        value = json.loads(data)
        if value["ownlog"] != 1:
            raise Bad("pack", "version of the pack", 1, value["ownlog"], status="unsupported")
        heads, ancestors = value["heads"], value["ancestors"]
        logs = [parse_head(h)[0] for h in heads + ancestors]
    except (ValueError, KeyError, TypeError, binascii.Error) as e:
        raise Bad("pack", f"its manifest: {e}")
    if len(set(logs)) != len(logs):
        raise Bad("pack", "its manifest names a log twice")
    return heads, ancestors


def copy(source, target, size):
    """Write what a member holds to a file of the store; its digest."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    digest, n = hashlib.sha256(), 0
    with open(target, "xb") as f:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            f.write(chunk)
            n += len(chunk)
    if n != size:
        raise Bad("pack", "it is cut short", size, n)
    return digest.hexdigest()


def check_log(store, text, options):
    """The log has the head that the manifest gives, and nothing is wrong with it."""
    log_id, _, _ = parse_head(text)
    directory = os.path.join(store, "logs", log_id)
    if not os.path.isdir(directory):
        raise Bad("pack", "a log that its manifest names is not in it", log_id)
    log = read_log(directory, store, options)
    if log.status() not in ("ok", "torn"):
        worst = next(f for f in log.findings if f["status"] == log.status())
        raise Bad("pack", f"log {log_id}: {worst['rule']}: {worst['reason']}")
    tree = log.tree
    if head(log_id, tree.size, tree.root()) != text:
        raise Bad("pack", "a log has another head than its manifest says", text, head(log_id, tree.size, tree.root()))
