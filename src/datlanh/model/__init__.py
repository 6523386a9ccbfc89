"""Nouns and messages: pure values that every floor may use; no I/O, no clock, no database."""
