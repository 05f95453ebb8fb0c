"""What a verifier finds (spec/verification.md)."""

# From best to worst; the status of a log is its worst finding's.
STATUSES = ["ok", "torn", "incomplete", "unsupported", "corrupt"]


class Bad(Exception):
    """Bytes that are not what the specification allows."""

    def __init__(self, rule, reason, expected=None, actual=None, status="corrupt"):
        super().__init__(reason)
        self.rule, self.reason, self.status = rule, reason, status
        self.expected, self.actual = expected, actual


class Environment(Exception):
    """The reader cannot work here; nothing is known about the log."""


def finding(bad, where, offset=None, line=None, seq=None):
    """A finding: what is wrong (bad) and where (a Segment or anything with log and file)."""
    f = {"status": bad.status, "rule": bad.rule, "log": where.log, "file": where.file}
    for name, value in (
        ("offset", offset),
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
