"""Rings: things that need each other in a circle."""

from collections.abc import Iterable, Mapping


def ring(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """The first ring found, as a list that begins and ends with the same name; empty when there is none."""
    done: set[str] = set()
    for start in sorted(needs):
        way: list[str] = []
        waiting: list[tuple[str, bool]] = [(start, True)]
        while waiting:
            name, enter = waiting.pop()
            if not enter:
                way.pop()
                done.add(name)
                continue
            if name in way:
                return [*way[way.index(name) :], name]
            if name in done:
                continue
            way.append(name)
            waiting.append((name, False))
            waiting.extend((other, True) for other in sorted(needs.get(name, ()), reverse=True))
    return []


def in_order(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """All names, each after what it needs; there must be no ring."""
    order: list[str] = []
    done: set[str] = set()

    def visit(name: str) -> None:
        if name in done:
            return
        done.add(name)
        for other in sorted(needs.get(name, ())):
            visit(other)
        order.append(name)

    for name in sorted(needs):
        visit(name)
    return order
