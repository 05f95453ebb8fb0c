"""I-JSON without whitespace, checked byte for byte (spec/entries.md)."""

import json
import re

from .limits import MAX_DEPTH, MAX_NUMBER


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
