"""Roles are roles, never persons: `environment.operator`, of a pack that is there or of the platform."""

from datlanh.model.pack import Finding, Pack, Packs


def check(pack: Pack, packs: Packs) -> list[Finding]:
    """A role of a pack has words in its strings (`role.<name>`)."""
    named = {d.owner: d.where for d in pack.detections.values()}
    for procedure in pack.procedures.values():
        named[procedure.lead] = procedure.where
        named.update({step.role: procedure.where for step in procedure.steps})
    found: list[Finding] = []
    for role, where in named.items():
        owner, dot, name = role.partition(".")
        if dot and owner in packs.packs:
            words = packs.packs[owner].words.get("vi", {})
            if f"{owner}.role.{name}" not in words:
                found.append(
                    Finding(
                        promise="role",
                        what=f"the role {role} has no words.",
                        todo=f"Write role.{name} in strings/ of {owner}.",
                        where=where,
                        pack=pack.id,
                    )
                )
    return found
