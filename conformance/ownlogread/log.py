"""Logs: segments put together, forks, holes, blobs."""

import hashlib
import os
import re

from .findings import STATUSES, Bad, Place, finding
from .recovery import judge_tail, proof_of_more
from .sealed import ZSTD_MAGIC, scan_sealed
from .segment import scan_text
from .tree import UUID, Frontier, b64url, parse_head

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

    def ancestors(self):
        """The logs that entries before the fork come from, each with where its part ends."""
        log, upto = self.parent, self.base
        while log:
            if log.base < upto:
                yield log, upto
                upto = log.base
            log = log.parent

    def counted(self):
        """What is known of the entries, those of ancestors up to the fork included."""
        for log, upto in self.ancestors():
            yield from (fact for fact in log.facts if fact[0] < upto)
        yield from self.facts

    def tree_at(self, size):
        """The tree over the first size entries, None if they were not all read."""
        if size < self.base:
            return self.parent.tree_at(size) if self.parent else None
        if self.tree is None or self.claimed or size > self.end():
            return None
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
        if m and os.path.isfile(os.path.join(directory, entry)):
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
        log.findings += text.findings
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
    if tree is not None:
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
    if not seg.findings:
        check_dead(log, seg, min(limit, seg.next_seq))


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
        if not isinstance(hidden, list) or not isinstance(leaves, list) or len(hidden) != len(leaves):
            continue
        if not all(type(s) is int for s in hidden) or not all(type(leaf) is str for leaf in leaves):
            continue
        for s, leaf in zip(hidden, leaves):
            if s < seq and s in seqs:
                yield s, leaf


def check_named(log):
    """A hole may hide anything, so a later entry must name it."""
    holes, facts_ = dict(log.holes), list(log.facts)
    for ancestor, upto in log.ancestors():
        holes.update((seq, hole) for seq, hole in ancestor.holes.items() if seq < upto)
        facts_ += ancestor.facts  # those behind the fork as well
    named = set(named_holes(facts_, holes))
    for seq, (leaf, seg) in sorted(holes.items()):
        if (seq, leaf.hex()) not in named:
            log.add(Bad("hole", f"entry {seq} was redacted, and no later entry says so"), seg, seq=seq)


def check_strict(log):
    for seq, kind, value, offset, line, seg in log.counted():
        if kind == "strict":
            log.add(Bad("entry", f"entry {seq}: {value}"), seg, offset=offset, line=line, seq=seq)


def check_blobs(log, store):
    """Every blob that an entry names is there and is what it is called."""
    seen = {}
    for seq, kind, value, offset, line, seg in log.counted():
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
            bad = Bad("blob-size", f"entry {seq} gives another size for blob {digest}", str(actual), str(size))
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
