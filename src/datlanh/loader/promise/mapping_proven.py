"""Each source has a sample, and its mapping is proven on it: so many readings, these values, so many refusals."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from datlanh.collect.batch import Batch
from datlanh.collect.mapping import map_batch
from datlanh.model.pack import Finding, Pack, Packs, SampleProof, SourceTemplate
from datlanh.model.source import Source, Station, Window

# The samples carry their own dates; proving them must not depend on the day on which it is done.
_AT = datetime(2026, 1, 1, tzinfo=UTC)
_WIDE = Window(late=timedelta(days=36500), ahead=timedelta(days=36500), oldest=timedelta(days=36500 - 8000))


def source_of(template: SourceTemplate, *, sample: SampleProof | None = None) -> Source:
    """A source made from a template, for proving it."""
    station = Path(sample.file).stem.rpartition("_")[0] if sample else "SAMPLE"
    return Source(
        id="sample",
        name=template.title,
        protocol=template.protocols[0],
        codec=template.codec,
        station=Station(id=f"urn:ngsi-ld:{template.type}:{station}", type=template.type),
        cadence=template.cadence,
        zone=template.zone,
        window=_WIDE,
        settings={**template.settings, "station": station},
        mapping=template.mapping,
        pack=template.pack,
    )


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """Map every sample with the real codec."""
    found: list[Finding] = []

    def say(template: SourceTemplate, what: str, todo: str) -> None:
        found.append(
            Finding(promise="mapping_proven", what=what, todo=todo, where=template.where, pack=pack.id)
        )

    for template in pack.sources.values():
        if not template.samples:
            say(template, f"{template.id} has no sample.", "Put a real payload, made anonymous, in samples/.")
        for sample in template.samples:
            path = Path(pack.folder) / "samples" / sample.file
            if not path.is_file():
                say(
                    template,
                    f"{template.id}: there is no samples/{sample.file}.",
                    "Add it, or correct its name.",
                )
                continue
            batch = Batch(
                seq=1,
                received_at=_AT,
                source="sample",
                codec=template.codec,
                body=path.read_bytes(),
                file_name=path.name,
            )
            mapped = map_batch(batch, {"sample": source_of(template, sample=sample)})
            readings = mapped.readings
            got = {
                f"{readings.keys[k].attribute}": float(v)
                for k, v in zip(readings.key.tolist(), readings.value.tolist(), strict=True)
            }
            if len(readings) != sample.readings or len(mapped.refusals) != sample.refused:
                why = "; ".join(f"line {r.line}: {r.reason}" for r in mapped.refusals[:5])
                say(
                    template,
                    f"{sample.file} gives {len(readings)} readings and {len(mapped.refusals)} refusals, "
                    f"not {sample.readings} and {sample.refused} ({why}).",
                    "Correct the mapping, or what the sample is said to give.",
                )
            for attribute, wanted in sample.values.items():
                value = got.get(attribute)
                if value is None or abs(value - wanted) > 1e-9 * max(1.0, abs(wanted)):
                    say(
                        template,
                        f"{sample.file} gives {attribute} = {value}, not {wanted}.",
                        "Correct one of them.",
                    )
            known = packs.types[template.type].attributes if template.type in packs.types else {}
            for key in readings.keys:
                if key.attribute in got and key.attribute not in known:
                    say(
                        template,
                        f"{sample.file} gives {key.attribute}, which {template.type} has not.",
                        "Declare it.",
                    )
    return found
