"""`altool classifiers`: what --classifier can be."""

from __future__ import annotations

from dataclasses import dataclass

from altool import extras
from altool import help as page
from altool.console import Console
from altool.models import registry
from altool.options import option


@dataclass(frozen=True)
class Options:
    name: str | None = option("A classifier to explain, or a network.", metavar="NAME", argument=True)


def run(options: Options, console: Console) -> None:
    """Print every classifier, or the one that is named, with what it reads and its options. Raises UsageError for an unknown name."""
    every = {} if options.name else registry.REGISTRY.every(lambda error: console.warn(error.message))
    found = [registry.classifier(options.name)] if options.name else list(every.values())
    if console.json_output:
        facts = [
            {
                "name": one.name,
                "reads": one.reads,
                "learns": one.learns,
                "deep": one.deep,
                "options": [own.flag for own in registry.called(one).values()],
                "summary": one.summary,
                "extra": one.extra or None,
                "installed": not extras.missing(one.extra),
            }
            for one in found
        ]
        console.result({"classifiers": facts}, "")
        return
    if options.name:
        (one,) = found
        table = "--items" if one.reads != "features" else "--features"
        learned = "--labels labels" if one.learns == "labels" else "--losses losses.parquet"
        example = f"altool train --classifier {options.name} {table} {table[2:]}.parquet {learned} -o model"
        needs = [("needs", f"the extra {one.extra}{extras.mark(one.extra)}")] if one.extra else []
        console.print(page.panel(options.name, [("fits", one.summary), ("reads", one.reads), *needs, ("example", example)]))
        console.print(page.panel("Its options", page.lines(registry.called(one).values())))
        return
    from rich.table import Table
    from rich.text import Text

    listing = Table("classifier", "reads", "what it is")
    for one in found:
        listing.add_row(Text(one.name), Text(one.reads), Text(one.summary + extras.mark(one.extra)))
    console.print(listing)
    torchvision, timm = extras.mark("torch"), extras.mark("timm")
    console.print(Text(f"and on images the networks of torchvision, as resnet18{torchvision}, and of timm, as timm:resnet18{timm}"))
    console.print(Text("altool classifiers NAME explains one"))
