"""One row of the table: what was measured, against what, and what it must be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure of one run; `ratio` is against the ceiling named in `against`, measured in the same run."""

    what: str
    figure: float
    unit: str
    against: str = ""
    ratio: float | None = None
    must: str = ""
    good: bool | None = None
    remark: str = ""

    def line(self) -> str:
        """The row as Markdown."""
        ratio = "" if self.ratio is None else f"{self.ratio:.3f}"
        good = {True: "yes", False: "NO", None: "–"}[self.good]
        return (
            f"| {self.what} | {self.figure:,.4g} {self.unit} | {self.against} | {ratio} | {self.must}"
            f" | {good} | {self.remark} |"
        )


HEAD = "| what | measured | against | ratio | must | holds | remark |\n|---|---|---|---|---|---|---|"
