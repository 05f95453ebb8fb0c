"""The Merkle tree and heads (spec/tree.md)."""

import base64
import hashlib
import re

from .limits import MAX_NUMBER


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
