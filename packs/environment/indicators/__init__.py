"""Formulas of the environment pack: short pure functions, each given what it declares in `reads`."""
