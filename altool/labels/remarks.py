"""What there is to say of the names in an import: classes and people that look like others, and classes that are new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from altool.labels.consensus import standing
from altool.labels.lookalikes import alike, nearest, plain, quoted
from altool.labels.merge import Change, Outcome
from altool.text import count

SHOWN = 5  # of pairs and changes in a message
CLASSES = 12  # of new classes in a message


def of_names(
    outcome: Outcome, log: pa.Table, classes: Collection[str] | None, label_names: Collection[str], *, listed: bool
) -> Iterator[str]:
    """Warnings about the names of an import: `classes` are those that were allowed (None: any), `label_names` what its rows say.

    Without `listed`, of the classes that are new only those that look like typing errors are named.
    """
    log = standing(log)
    held = Counter(name for name in log.column("label").to_pylist() if name is not None)
    like = alike(label_names, {*(classes or ()), *held})
    if like:
        yield f"classes that look alike: {_pairs(like)}; take them as one with --trim (blanks at the ends) or --label-map OLD=NEW"
    said = pc.unique(outcome.rows.column("annotator").drop_null()).to_pylist()
    people = alike(said, pc.unique(log.column("annotator").drop_null()).to_pylist())
    if people:
        yield f"annotators who look alike: {_pairs(people)}; they count as two people: --trim (blanks at the ends), or mend the export"
    theirs, ours = outcome.strangers
    if theirs:
        here, there = (", ".join(map(plain, names[:3])) for names in (theirs, ours))
        yield (
            f"annotators have other names than in the log ({here} here, {there} there): if they are the same people their answers count "
            "twice; export them as before"
        )
    if classes is None:
        yield from _new(
            Counter(outcome.rows.column("label").drop_null().to_pylist()), held, {name for pair in like for name in pair}, listed
        )


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    shown = [f"{quoted(name)} like {quoted(other)}" for name, other in pairs[:SHOWN]]
    return ", ".join(shown) + (f" and {len(pairs) - SHOWN:,} more" if len(pairs) > SHOWN else "")


def _new(imported: Counter[str], held: Counter[str], told: Collection[str], listed: bool) -> Iterator[str]:
    """The classes that the log does not have yet, the likely typing errors first."""
    new = sorted(set(imported) - set(held))
    counts = imported + held
    close = {name: other for name in new if name not in told and (other := nearest(name, counts)) is not None}
    shown = [f"{plain(name)} ({imported[name]:,}) looks like {plain(close[name])} ({counts[close[name]]:,})" for name in sorted(close)]
    frequent = sorted(new, key=lambda name: (-imported[name], name))
    shown += [f"{plain(name)} ({imported[name]:,})" for name in frequent if name not in close and listed]
    rest = f" and {len(shown) - CLASSES:,} more" if len(shown) > CLASSES else ""
    if shown:
        text = f"{'no list of classes is given; new classes' if listed else 'new classes'}: {', '.join(shown[:CLASSES])}{rest}"
        yield f"{text}; if one is wrong: --classes A,B or --rename OLD=NEW"


def of_changes(outcome: Outcome, withdraw: bool) -> Iterator[str]:
    """Warnings about answers that changed since they were imported."""
    if outcome.changed:
        nobody = any(change.annotator is None for change in outcome.changed)
        who = "; if they are different people's, name the annotators: --annotator NAME or file" if nobody else ""
        yield f"{count(len(outcome.changed), 'answer')} changed ({_listed(outcome.changed)}){who}"
    if outcome.outdated:
        yield (
            f"{count(len(outcome.outdated), 'answer')} of the export {'was' if len(outcome.outdated) == 1 else 'were'} changed since, and "
            f"the log stays as it is ({_listed(outcome.outdated)}); if the export is newer, give labeled_at or a later --round"
        )
    if len(outcome.gone) and not withdraw:
        ids = ", ".join(map(str, outcome.gone.column("id").to_pylist()[:3]))
        yield (
            f"{count(len(outcome.gone), 'answer')} {'is' if len(outcome.gone) == 1 else 'are'} gone from the export, but not from the log "
            f"(ids {ids}): --withdraw"
        )


def _listed(changes: Sequence[Change]) -> str:
    shown = [f"{change.id}: {plain(change.before)} -> {plain(change.after)}" for change in changes[:SHOWN]]
    return ", ".join(shown) + (f" and {len(changes) - SHOWN:,} more" if len(changes) > SHOWN else "")
