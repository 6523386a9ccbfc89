"""Procedures as people write them: from text to the declaration, and from the declaration back to text.

The file of a pack and a draft in the console are read by the same rules. The one thing to know: what a step may be
decided by is checked here (an output of a step that comes before it), so that nothing is found missing while it burns.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from datlanh.loader import shape
from datlanh.loader.convert import convert
from datlanh.loader.yaml import BadFile, Document, Path_, parse
from datlanh.model.incident import Category, IncidentKind
from datlanh.model.pack import Packs, ProcedureDeclaration, StepDeclaration, Where
from datlanh.model.procedure import Mistake, Output, When

LONGEST = 200_000
MOST_STEPS = 200


def procedure(
    document: Document, path: Path_, s: shape.ProcedureShape, *, id: str, pack: str
) -> ProcedureDeclaration:
    """A procedure of what stands at `path` of a document."""
    steps: list[StepDeclaration] = []
    before: dict[str, set[str]] = {}
    if len(s.steps) > MOST_STEPS:
        raise _bad(document, (*path, "steps"), f"there are more than {MOST_STEPS} steps.", "Split it.")
    for n, step in enumerate(s.steps):
        here = (*path, "steps", n)
        after = (step.after,) if isinstance(step.after, str) else tuple(step.after)
        known = {earlier.id for earlier in steps}
        if step.id in known:
            raise _bad(document, here, f"{id.partition('.')[2]} has two steps `{step.id}`.", "Rename one.")
        for other in after:
            if other not in known:
                raise _bad(
                    document,
                    here,
                    f"step `{step.id}` comes after `{other}`, which is no earlier step.",
                    "Put the other first, or correct its name.",
                )
        if step.within <= timedelta(0):
            raise _bad(document, (*here, "within"), f"step `{step.id}` has no time.", "Give it some.")
        before[step.id] = set(after).union(*(before[other] for other in after))
        steps.append(
            StepDeclaration(
                id=step.id,
                title=step.title,
                role=step.role,
                within=_plain(step.within),
                after=after,
                unit=step.unit,
                evidence=step.evidence,
                working_time=step.working_time,
                text=step.text,
                outputs=tuple(
                    _output(document, (*here, "outputs", k), k, o) for k, o in step.outputs.items()
                ),
                when=tuple(
                    _when(document, (*here, "when", k), w, step.id, before[step.id], steps, pack)
                    for k, w in enumerate(step.when)
                ),
            )
        )
    return ProcedureDeclaration(
        id=id,
        pack=pack,
        version=s.version,
        title=s.title,
        lead=s.lead,
        steps=tuple(steps),
        closes=s.closes,
        severity=s.severity,
        reference=s.reference,
        text=s.text,
        kind=_full(s.kind, pack) if s.kind else None,
        ladder=s.ladder or None,  # an escalation of the province
        where=Where(file=document.file, line=document.line(*path)),
    )


def _bad(document: Document, path: Path_, what: str, todo: str) -> BadFile:
    return BadFile(document.file, document.line(*path), what, todo)


def _full(name: str, pack: str) -> str:
    return name if "." in name else f"{pack}.{name}"


def _plain(span: timedelta) -> timedelta:
    return timedelta(seconds=span.total_seconds())


def _output(document: Document, path: Path_, id: str, o: shape.OutputShape) -> Output:
    if (o.kind == "choice") != bool(o.choices):
        what = (
            f"output `{id}` is a choice without choices."
            if o.kind == "choice"
            else f"output `{id}` is no choice."
        )
        raise _bad(document, path, what, "Only a choice has `choices`, and it has some.")
    if o.kind != "number" and (o.unit or o.low is not None or o.high is not None):
        raise _bad(
            document, path, f"output `{id}` is no number.", "Only a number has `unit`, `low` and `high`."
        )
    if o.low is not None and o.high is not None and o.low > o.high:
        raise _bad(document, path, f"output `{id}` has `low` above `high`.", "Exchange them.")
    return Output(
        id=id,
        kind=o.kind,
        title=o.title,
        unit=o.unit,
        choices=o.choices,
        low=o.low,
        high=o.high,
        required=o.required,
    )


def _when(
    document: Document,
    path: Path_,
    w: shape.WhenShape,
    step: str,
    before: set[str],
    steps: Sequence[StepDeclaration],
    pack: str,
) -> When:
    asked = {
        "equals": w.equals,
        "at_least": w.at_least,
        "at_most": w.at_most,
        "one_of": w.one_of or None,
    }
    said = {op: value for op, value in asked.items() if value is not None}
    if w.function:
        if said or w.step or w.output:
            raise _bad(
                document, path, f"a condition of `{step}` has a function and more.", "Keep one of the two."
            )
        return When(function=_full(w.function, pack))
    if len(said) != 1 or not w.step or not w.output:
        raise _bad(
            document,
            path,
            f"a condition of `{step}` has to name `step`, `output`, and one of {', '.join(asked)}.",
            "Anything more is a function of the pack: `function: name`.",
        )
    if w.step not in before:
        raise _bad(
            document,
            path,
            f"`{step}` is decided by `{w.step}`, but does not come after it.",
            f"Add `{w.step}` to its `after`.",
        )
    earlier = next(one for one in steps if one.id == w.step)
    output = next((one for one in earlier.outputs if one.id == w.output), None)
    if output is None:
        raise _bad(
            document,
            path,
            f"`{w.step}` gives no `{w.output}`.",
            f"It gives {', '.join(o.id for o in earlier.outputs) or 'nothing'}.",
        )
    ((op, value),) = said.items()
    values = tuple(value) if isinstance(value, list) else (value,)
    for one in values:
        _fits(document, path, output, op, one)
    return When(step=w.step, output=w.output, op=op, value=values)


def _fits(document: Document, path: Path_, output: Output, op: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if op in ("at_least", "at_most") and output.kind != "number":
        raise _bad(document, path, f"`{output.id}` is no number.", "Compare it with `equals` or `one_of`.")
    fits = {
        "number": number,
        "yes_no": isinstance(value, bool),
        "choice": value in output.choices,
        "text": isinstance(value, str),
    }.get(output.kind)
    if fits is None:
        raise _bad(document, path, f"nothing is decided by a {output.kind}.", "Name another output.")
    if not fits:
        todo = {
            "yes_no": "It is `true` or `false`.",
            "choice": f"It is one of {', '.join(output.choices)}.",
            "number": "It is a number.",
            "text": "It is a text.",
        }[output.kind]
        raise _bad(document, path, f"`{output.id}` can never be {value!r}.", todo)


def kind(document: Document, key: str, s: shape.IncidentKindShape, *, id: str, pack: str) -> IncidentKind:
    """A kind of incident."""
    for severity in ("1", "2", "3", "4"):
        if severity not in s.severities:
            raise _bad(
                document, (key, "severities"), f"{key} does not say what severity {severity} is.", "Say it."
            )
    for severity, category in s.usual.items():
        if severity not in s.severities or category not in s.categories:
            raise _bad(
                document,
                (key, "usual", severity),
                f"{key} names severity {severity} and category `{category}`, which it does not have both.",
                f"Its categories are {', '.join(s.categories)}.",
            )
    return IncidentKind(
        id=id,
        pack=pack,
        title=s.title,
        severities=s.severities,
        categories={
            name: Category(
                title=c.title, within=_plain(c.within), working=c.working_time, reference=c.reference
            )
            for name, c in s.categories.items()
        },
        usual=s.usual,
        reference=s.reference,
        where=f"{document.file}, line {document.line(key)}",
    )


# -- drafts ---------------------------------------------------------------------------------------------------


def read_text(id: str, text: str, packs: Packs) -> tuple[ProcedureDeclaration | None, tuple[Mistake, ...]]:
    """A draft: the procedure that a text says, or what is wrong with it."""
    if len(text) > LONGEST:
        return None, (
            Mistake(line=1, what=f"The text is longer than {LONGEST} characters.", todo="Shorten it."),
        )
    try:
        document = parse(text, "")
        if not isinstance(document.data, dict):
            return None, (
                Mistake(line=1, what="A procedure is a mapping: title, lead, steps.", todo="Write one."),
            )
        found = procedure(
            document, (), convert(document, (), shape.ProcedureShape), id=id, pack=id.partition(".")[0]
        )
    except BadFile as bad:
        return None, (Mistake(line=bad.line, what=bad.what, todo=bad.todo),)
    mistakes = tuple(_names(document, found, packs))
    return (None if mistakes else replace(found, where=Where())), mistakes


def _names(document: Document, found: ProcedureDeclaration, packs: Packs) -> list[Mistake]:
    """What it names has to be there, and what people read has to be in both languages."""
    wrong: list[Mistake] = []

    def say(path: Path_, what: str, todo: str) -> None:
        wrong.append(Mistake(line=document.line(*path), what=what, todo=todo))

    if found.kind and found.kind not in packs.incident_kinds:
        say(("kind",), f"{found.kind} is no kind of incident.", _among(packs.incident_kinds))
    texts: list[tuple[Path_, str, Mapping[str, str]]] = [(("title",), "The title", found.title)]
    for n, step in enumerate(found.steps):
        texts.append((("steps", n, "title"), f"The title of `{step.id}`", step.title))
        for output in step.outputs:
            texts.append((("steps", n, "outputs", output.id), f"The title of `{output.id}`", output.title))
        for k, when in enumerate(step.when):
            if when.function and when.function not in packs.step_rules:
                say(
                    ("steps", n, "when", k),
                    f"{when.function} is no rule of a pack.",
                    _among(packs.step_rules),
                )
    for path, what, words in texts:
        for language in ("vi", "en"):
            if not words.get(language, "").strip():
                say(path, f"{what} has no words in `{language}`.", "Write them.")
    return wrong


def _among(known: Mapping[str, Any]) -> str:
    return f"There are {', '.join(sorted(known))}." if known else "There are none."


# -- back to text ------------------------------------------------------------------------------------------------


def span(within: timedelta) -> str:
    """A duration as it is written: 1d12h, 30m."""
    left = int(within.total_seconds())
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def written(found: ProcedureDeclaration) -> str:
    """The text of a procedure, as a draft begins with it."""
    whole = CommentedMap()
    whole["title"] = _flow(found.title)
    whole["version"] = found.version
    whole["lead"] = found.lead
    for name, value, usual in (
        ("kind", found.kind, None),
        ("ladder", found.ladder, None),
        ("severity", found.severity, None),
        ("closes", found.closes, "by_hand"),
        ("reference", found.reference, ""),
    ):
        if value != usual:
            whole[name] = value
    if found.text:
        whole["text"] = _flow(found.text)
    whole["steps"] = CommentedSeq([_step(step) for step in found.steps])
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 4096
    yaml.allow_unicode = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(whole, out)
    return out.getvalue()


def _flow(values: Mapping[str, Any]) -> CommentedMap:
    made = CommentedMap(values)
    made.fa.set_flow_style()
    return made


def _row(values: Sequence[Any]) -> CommentedSeq:
    made = CommentedSeq(values)
    made.fa.set_flow_style()
    return made


def _step(step: StepDeclaration) -> CommentedMap:
    made = CommentedMap()
    made["id"] = step.id
    made["title"] = _flow(step.title)
    made["role"] = step.role
    if step.unit:
        made["unit"] = step.unit
    made["within"] = span(step.within)
    if step.working_time:
        made["working_time"] = True
    if step.after:
        made["after"] = _row(step.after)
    if step.when:
        made["when"] = CommentedSeq([_condition(one) for one in step.when])
    if step.outputs:
        made["outputs"] = CommentedMap({one.id: _asked(one) for one in step.outputs})
    if step.evidence:
        made["evidence"] = step.evidence
    if step.text:
        made["text"] = _flow(step.text)
    return made


def _condition(when: When) -> CommentedMap:
    if when.function:
        return _flow({"function": when.function})
    value = _row(when.value) if when.op == "one_of" else when.value[0]
    return _flow({"step": when.step, "output": when.output, when.op: value})


def _asked(output: Output) -> CommentedMap:
    made: dict[str, Any] = {"kind": output.kind, "title": _flow(output.title)}
    if output.unit:
        made["unit"] = output.unit
    for name in ("low", "high"):
        if getattr(output, name) is not None:
            made[name] = getattr(output, name)
    if output.choices:
        made["choices"] = CommentedMap({key: _flow(words) for key, words in output.choices.items()})
    if not output.required:
        made["required"] = False
    return CommentedMap(made)
