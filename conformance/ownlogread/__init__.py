"""An independent reader and verifier of ownlog logs, written from spec/ alone.

One module per page of the specification, more or less: entry, lines, tree,
segment, sealed, recovery, log. ../reader.py is the command.
"""
