"""Every message that can be told inside the program, one file a floor.

A message says, in the past tense, what has come to be. It is stored in the outbox as (type name, body)
in the same transaction as the change it tells of, and heard by whoever `app/wiring.py` names. To know
what the system can do, read this folder.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Message:
    """Something that has happened, told once to all who listen."""
