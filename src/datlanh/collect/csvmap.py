"""Tables: how the rows of a CSV text or a spreadsheet become readings, by a saved mapping of their columns.

Codecs `csv` (text) and `sheet` (XLSX as it was handed in). Added to what `rule.py` knows:

    delimiter: auto | "," | ";" | tab     decimal: "." | ","     encoding: auto | utf-8 | cp1258 | …
    header: 1                             # row of the column names; 0: there are none, columns are called 1, 2 …
    sheet: name or number                 # of a spreadsheet; the first when not given
    entity_column: Site                   # else the source's station
    fields: {Raw Conc.: {attribute: pm25, unit: ug/m3, unit_path: Conc. Unit}}
    long: {name: Parameter, value: Value, unit: Unit}     # instead: each row is one value with its name
    time: {field: Date (LT), format: "%Y-%m-%d %I:%M %p", zone: Asia/Ho_Chi_Minh, label: end}
    quality: {field: QC Name, words: {Valid: measured, Invalid: fault}, else: fault}
    skip: {Duration: ["24 Hr"]}           # rows that say this in that column are not for us

Pure. The one thing to know: a row is refused cell by cell with its number and column; cells that hold a "missing"
value make no reading, and whole empty rows are nothing.
"""

import csv
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from datlanh.collect.batch import Batch
from datlanh.collect.rule import RAW_KEPT, Columns, Field, Odd, Rule, number_of, rule_of
from datlanh.collect.spreadsheet import rows_of
from datlanh.model.errors import BadInput, TooMuch
from datlanh.model.reading import Mapped, Readings, Refusal
from datlanh.model.source import Source

BYTES_LIMIT: Final = 32 * 2**20
ROWS_LIMIT: Final = 200_000
COLUMNS_LIMIT: Final = 500
CELL_LIMIT: Final = 10_000
DELIMITERS: Final = {",": ",", ";": ";", "tab": "\t", "\t": "\t", "|": "|"}
ENCODINGS: Final = ("utf-8", "utf-16", "cp1258", "cp1252", "latin-1")

Cell = str | int | float | bool | datetime | date | time | timedelta | None


@dataclass(frozen=True)
class Plan:
    """A mapping made ready."""

    rule: Rule
    delimiter: str
    encoding: str
    header: int
    sheet: str | int | None
    comma: bool
    entity: str
    times: tuple[str, ...]
    quality: str
    fields: tuple[Field, ...]
    long: Mapping[str, str]
    skip: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as they stand: names of the columns, then each row with its number from 1."""

    names: tuple[str, ...]
    rows: Iterator[tuple[int, Sequence[Cell]]]


_plans: dict[int, Plan] = {}


def plan_of(source: Source) -> Plan:
    """The plan of a source, remembered as long as its declaration is the same object."""
    found = _plans.get(id(source))
    if found is None:
        if len(_plans) > 1_000:
            _plans.clear()
        found = _plans[id(source)] = plan(source)
    return found


def plan(source: Source) -> Plan:
    """Make a declaration ready; refuses one that makes no sense, with the place."""
    rule = rule_of(source)
    raw = rule.raw
    delimiter = str(raw.get("delimiter", "auto"))
    if delimiter != "auto" and delimiter not in DELIMITERS:
        raise BadInput("doors.mapping_delimiter", where="delimiter", delimiter=delimiter[:20])
    encoding = str(raw.get("encoding", "auto")).lower()
    if encoding not in ("auto", *ENCODINGS):
        raise BadInput("doors.mapping_encoding", where="encoding", encoding=encoding[:20])
    header = raw.get("header", 1)
    if isinstance(header, bool) or not isinstance(header, int) or not 0 <= header <= 100:
        raise BadInput("doors.mapping_header", where="header")
    time_ = raw.get("time") or {}
    times = tuple(
        str(name) for name in (time_.get("fields") or ([rule.time_field] if rule.time_field else []))
    )
    if not times and not rule.receipt:
        raise BadInput("doors.mapping_no_time", where="time.field")
    long = {str(name): str(column) for name, column in (raw.get("long") or {}).items()}
    if long and (not {"name", "value"} <= set(long) or not set(long) <= {"name", "value", "unit", "quality"}):
        raise BadInput("doors.mapping_long", where="long")
    decimal = raw.get("decimal", ".")
    if decimal not in (".", ","):
        raise BadInput("doors.mapping_decimal", where="decimal")
    skip: dict[str, frozenset[str]] = {}
    for column, said in (raw.get("skip") or {}).items():
        skip[str(column)] = frozenset(
            str(one) for one in (said if isinstance(said, list | tuple) else [said])
        )
    return Plan(
        rule=rule,
        delimiter=delimiter,
        encoding=encoding,
        header=header,
        sheet=raw.get("sheet"),
        comma=decimal == ",",
        entity=str(raw.get("entity_column") or ""),
        times=times,
        quality=rule.quality_field,
        fields=tuple({id(one): one for one in rule.fields.values()}.values()),
        long=long,
        skip=skip,
    )


def decode(batch: Batch, source: Source) -> Mapped:
    """What a table says."""
    try:
        return read(batch, source).mapped()
    except (BadInput, TooMuch) as error:
        raw = batch.body[:RAW_KEPT]
        refusal = Refusal(journal=batch.seq, line=0, reason=error.key, params=dict(error.params), raw=raw)
        return Mapped(readings=Readings.empty(), refusals=(refusal,))


def read(batch: Batch, source: Source) -> Columns:
    """Read a table; raises only when it cannot be read as rows at all."""
    made = plan_of(source)
    table = table_of(batch.body, made, sheet=batch.codec == "sheet")
    columns = Columns(batch, source)
    _Rows(made, table, columns).take()
    return columns


def table_of(body: bytes, plan: Plan, *, sheet: bool) -> Table:
    """The rows of a body; refuses what is no table, and one that is too large."""
    if len(body) > BYTES_LIMIT:
        raise TooMuch("doors.file_too_large", limit=BYTES_LIMIT)
    rows: Iterator[tuple[int, Sequence[Cell]]] = rows_of(body, plan.sheet) if sheet else text_rows(body, plan)
    names: tuple[str, ...] = ()
    if plan.header:
        for number, cells in rows:
            if number == plan.header:
                names = tuple(" ".join(str(cell).split()) if cell is not None else "" for cell in cells)
                break
        if not any(names):
            raise BadInput("doors.no_header", where=f"row {plan.header}")
        if len(names) > COLUMNS_LIMIT:
            raise TooMuch("doors.too_many_columns", limit=COLUMNS_LIMIT)
        twice = {name for name in names if name and names.count(name) > 1}
        used = _used(plan)
        if twice & used:
            raise BadInput("doors.column_twice", where=f"row {plan.header}", column=min(twice & used)[:60])
    else:
        first = next(rows, None)
        if first is None:
            raise BadInput("doors.no_rows")
        names = tuple(str(place) for place in range(1, len(first[1]) + 1))
        rows = itertools.chain([first], rows)
    return Table(names, rows)


def _used(plan: Plan) -> set[str]:
    """Every column that the mapping speaks of."""
    used = {*plan.times, plan.entity, plan.quality, *plan.skip, *plan.long.values()}
    if not plan.long:
        for one in plan.fields:
            used |= {one.path, one.unit_path, one.quality_path}
    return used - {""}


def text_rows(body: bytes, plan: Plan) -> Iterator[tuple[int, Sequence[Cell]]]:
    """The rows of a text with the numbers of the lines they begin on."""
    text = _text(body, plan.encoding)
    if "\x00" in text:
        raise BadInput("doors.not_text_file")
    delimiter = DELIMITERS[plan.delimiter] if plan.delimiter != "auto" else _guess(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
    try:
        before = 0
        for count, cells in enumerate(reader, 1):
            number = before + 1  # a quoted cell may hold line ends: a row is called by the line it begins on
            before = reader.line_num
            if count > ROWS_LIMIT:
                raise TooMuch("doors.too_many_rows", limit=ROWS_LIMIT)
            if len(cells) > COLUMNS_LIMIT:
                raise TooMuch("doors.too_many_columns", limit=COLUMNS_LIMIT)
            yield number, cells
    except csv.Error as error:
        raise BadInput("doors.csv_unreadable", where=f"row {reader.line_num}", said=str(error)[:80]) from None


def _text(body: bytes, encoding: str) -> str:
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
        encoding = "utf-8"
    elif body.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    try:
        return body.decode("utf-8" if encoding == "auto" else encoding)
    except UnicodeDecodeError as error:
        raise BadInput(
            "doors.not_encoded", encoding="utf-8" if encoding == "auto" else encoding, at=error.start
        ) from None


def _guess(text: str) -> str:
    """The delimiter of a text: the one that is oftenest in its first line."""
    first = text.lstrip("\r\n")[:4096].split("\n", 1)[0]
    return max(",;\t|", key=first.count)


class _Rows:
    """Reads the rows of a table into columns."""

    def __init__(self, plan: Plan, table: Table, columns: Columns) -> None:
        self._plan = plan
        self._rule = plan.rule
        self._table = table
        self._columns = columns
        self._at = {name: place for place, name in reversed(list(enumerate(table.names))) if name}
        missing = [name for name in _used(plan) if name not in self._at and not self._optional(name)]
        if missing:
            raise BadInput(
                "doors.column_missing", where=", ".join(sorted(missing))[:200], columns=list(table.names)[:50]
            )
        for name in table.names:
            if name and name not in _used(plan) and name not in self._rule.ignore:
                columns.note("doors.field_extra", name, plan.header, name.encode())

    def _optional(self, name: str) -> bool:
        return any(
            one.optional and name in (one.path, one.unit_path, one.quality_path) for one in self._plan.fields
        )

    def take(self) -> None:
        """Take all rows."""
        for number, cells in self._table.rows:
            if not any(cell is not None and (not isinstance(cell, str) or cell.strip()) for cell in cells):
                continue
            try:
                self._take_row(number, cells)
            except Odd as odd:
                self._refuse(number, cells, odd)

    def _refuse(self, number: int, cells: Sequence[Cell], odd: Odd) -> None:
        out = io.StringIO()
        csv.writer(out, lineterminator="").writerow(
            ["" if cell is None else str(cell)[:200] for cell in cells[:50]]
        )
        self._columns.refuse(number, odd, out.getvalue())

    def _cell(self, cells: Sequence[Cell], name: str) -> Cell:
        place = self._at.get(name)
        if place is None or place >= len(cells):
            return None
        cell = cells[place]
        if isinstance(cell, str):
            if len(cell) > CELL_LIMIT:
                raise Odd("doors.cell_too_long", name, limit=CELL_LIMIT)
            cell = cell.strip()
            return cell or None
        return cell

    def _take_row(self, number: int, cells: Sequence[Cell]) -> None:
        plan, rule, columns = self._plan, self._rule, self._columns
        for column, said in plan.skip.items():
            if str(self._cell(cells, column)) in said:
                return
        if plan.entity:
            named = self._cell(cells, plan.entity)
            if named is None:
                raise Odd("doors.entity_missing", plan.entity)
            if isinstance(named, float) and named.is_integer():
                named = int(named)
            who = rule.who(str(named))
        else:
            who = rule.who(None)
        try:
            at = columns.believe(self._moment([self._cell(cells, name) for name in plan.times]))
        except Odd as odd:
            raise Odd(odd.reason, " + ".join(plan.times), **odd.params) from None
        quality = 0
        if plan.quality:
            word = self._cell(cells, plan.quality)
            if word is not None:
                try:
                    quality = rule.quality_of(word)
                except Odd as odd:
                    raise Odd(odd.reason, plan.quality, **odd.params) from None
            elif rule.quality_else is not None:
                quality = rule.quality_else
        if plan.long:
            name = self._cell(cells, plan.long["name"])
            one = rule.fields.get(str(name))
            if one is None:
                if name is not None and str(name) in rule.ignore:
                    return
                raise Odd("doors.field_unknown", plan.long["name"], field=str(name)[:60])
            state = quality
            if "quality" in plan.long and (word := self._cell(cells, plan.long["quality"])) is not None:
                state = rule.quality_of(word)
            unit = self._cell(cells, plan.long["unit"]) if "unit" in plan.long else None
            self._take_cell(one, plan.long["value"], unit, who, at, state, number, cells)
            return
        for one in plan.fields:
            try:
                state = quality
                if one.quality_path and (word := self._cell(cells, one.quality_path)) is not None:
                    state = rule.quality_of(word)
                unit = self._cell(cells, one.unit_path) if one.unit_path else None
                self._take_cell(one, one.path, unit, who, at, state, number, cells)
            except Odd as odd:
                self._refuse(
                    number, cells, Odd(odd.reason, odd.path or one.path, **{"field": one.name, **odd.params})
                )

    def _take_cell(
        self,
        one: Field,
        column: str,
        unit: Cell,
        who: Any,
        at: int,
        quality: int,
        number: int,
        cells: Sequence[Cell],
    ) -> None:
        cell = self._cell(cells, column)
        if cell is None:
            self._columns.missing += 1
            return
        if isinstance(cell, str):
            text = cell.replace(".", "").replace("\u00a0", "") if self._plan.comma and "," in cell else cell
            if not self._plan.comma and "," in text:
                raise Odd("doors.value_not_number", column, value=cell[:40])
            try:
                value = number_of(text)
            except ValueError:
                if cell.lower() in _EMPTY_WORDS:
                    self._columns.missing += 1
                    return
                raise Odd("doors.value_not_number", column, value=cell[:40]) from None
        elif isinstance(cell, bool) or not isinstance(cell, int | float):
            raise Odd("doors.value_not_number", column, value=str(cell)[:40])
        else:
            value = float(cell)
        worth = one.worth(value, unit if isinstance(unit, str) else None, self._rule.missing)
        if worth is None:
            self._columns.missing += 1
        else:
            self._columns.add(self._columns.place(who, one), at, worth, quality, number)

    def _moment(self, cells: Sequence[Cell]) -> int:
        rule = self._rule
        if not cells:
            return self._columns.received
        if any(cell is None for cell in cells):
            raise Odd("doors.time_missing")
        moments = rule.moments
        # A spreadsheet knows dates and times as such; they are local, whatever the format of texts.
        if len(cells) == 1 and isinstance(cells[0], datetime):
            return moments.local(cells[0])
        if len(cells) == 2 and isinstance(cells[0], date):
            day = cells[0].date() if isinstance(cells[0], datetime) else cells[0]
            if isinstance(cells[1], time):
                return moments.local(datetime.combine(day, cells[1]))
            if isinstance(cells[1], timedelta):
                return moments.local(datetime.combine(day, time()) + cells[1])
        if len(cells) == 1 and isinstance(cells[0], date):
            return moments.local(datetime.combine(cells[0], time()))
        if len(cells) == 1 and isinstance(cells[0], int | float) and not isinstance(cells[0], bool):
            return moments.micros(cells[0])
        if not all(isinstance(cell, str | int) and not isinstance(cell, bool) for cell in cells):
            raise Odd("doors.time_unreadable", time=str(list(cells))[:60], format=moments.format)
        return moments.micros(" ".join(str(cell) for cell in cells))


# What people write into a cell to say that there is nothing.
_EMPTY_WORDS: Final = frozenset(
    {"-", "--", "na", "n/a", "nan", "null", "none", "#n/a", "nodata", "no data", "x"}
)
