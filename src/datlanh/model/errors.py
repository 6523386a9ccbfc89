"""What can go wrong in a way that a caller must know; few kinds, each with a key for its words.

An error carries a key of `strings/` and parameters, never a sentence: the sentence is made at the edge,
in the language of the person who reads it.
"""

from typing import Any


class Error(Exception):
    """Something was refused or could not be done."""

    def __init__(self, key: str, /, **params: Any) -> None:
        self.key = key
        self.params = params
        super().__init__(key, params)

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"{self.key}({told})" if told else self.key


class NotAllowed(Error):
    """Whoever asks may not do this."""


class NotSignedIn(NotAllowed):
    """Nobody is signed in, or the session or key is no longer good."""


class NotFound(Error):
    """There is no such thing, or it is not for whoever asks."""


class Refused(Error):
    """A rule says no."""


class Conflict(Error):
    """Somebody else was faster, or it exists already."""


class BadInput(Error):
    """What was sent cannot be understood; the parameters say where and why."""


class TooMuch(Error):
    """More was sent than is taken at once; `retry_after` (seconds) says when to try again, if ever."""


class Unavailable(Error):
    """We cannot keep our promise just now; nothing was taken. `retry_after` is in seconds."""


class Unreachable(Error):
    """A source or a receiver could not be reached."""
