"""What `altool embed` says of its run: before it, and in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from altool.backbones.shape import Backbone, Encoder
from altool.console import Console
from altool.payloads import sizes
from altool.tables.items import Items
from altool.text import count, duration


@dataclass(frozen=True)
class Run:
    """What was embedded: the items that are `new`, out of `every` one that is not there yet, of which so many were `rejected`; `there` are
    the rows of the output before (None: it is made), of which the items of `gone` are no more. `pace` is the seconds that an item took
    (None: none was embedded), `limit` is --limit, `shard` is --shard, of which `new` and `every` are the items."""

    backbone: Backbone
    encoder: Encoder
    new: Items
    every: Items
    there: int | None
    gone: int
    limit: int | None
    output: str
    rejected: int = 0
    pace: float | None = None
    shard: tuple[int, int] | None = None

    @property
    def left(self) -> int:
        return len(self.every) - len(self.new)


def say_small(run: Run, console: Console) -> None:
    """Say where a network blows pictures up that are far smaller than what it reads, and what that costs."""
    size = run.encoder.facts.get("image_size")
    if "weights" not in {one.name for one in run.backbone.options} or not isinstance(size, int) or not len(run.new):
        return
    found = sizes.blown_up((one for rows in run.new.payloads() for one in rows), run.backbone.name, size)
    if found is not None:
        text, wanted = found
        faster = f"--image-size {wanted} is {sizes.saving(size, wanted)}" if wanted < size else "--image-size N reads them smaller"
        console.info(f"note: {text}; {faster}, and --backbone pixels needs no network: both give other vectors, so try which serves")


def rehearse(run: Run, console: Console) -> None:
    """What --dry-run says."""
    summary = {"command": "embed", "rows": len(run.new), "backbone": run.backbone.name, "device": run.encoder.device}
    text = f"embed {count(len(run.new), 'item' if run.there is None else 'new item')} (column {run.new.column}) with {run.backbone.name}"
    text += f" on {run.encoder.device} -> {run.output}"
    if run.there is not None:
        summary["there"] = run.there
        text += f", where {run.there:,} are"
    if run.limit:
        summary |= {"limit": run.limit, "left": run.left}
        text += f", and leave {run.left:,}"
    if run.shard:
        summary["shard"] = f"{run.shard[0]}/{run.shard[1]}"
        text += f", as part {run.shard[0]} of {run.shard[1]}, from 0"
    console.rehearsed({**summary, "output": run.output}, text)


def conclude(run: Run, width: int, dtype: str, seconds: float, console: Console) -> None:
    """What was embedded, and with --limit how long the others will take."""
    rows = len(run.new) - run.rejected
    summary: dict[str, Any] = {
        "command": "embed",
        "rows": rows,
        "width": width,
        "dtype": dtype,
        "rejected": run.rejected,
        "backbone": run.backbone.name,
        "column": run.new.column,
        "device": run.encoder.device,
        "seconds": seconds,
        "output": run.output,
    }
    kind = f" ({run.new.column})" if run.backbone.reads_both else ""
    text = f"embedded {count(rows, 'item')}{kind} with {run.backbone.name}, {width} wide, in {seconds} s -> {run.output}"
    if run.there is not None:
        summary |= {"there": run.there, "gone": run.gone}
        there = f"{run.there:,} were there"
        text = f"embedded {count(rows, 'new item')}{kind} with {run.backbone.name} in {seconds} s, {there} -> {run.output}"
        if run.gone:
            text += f"; kept {count(run.gone, 'row')} whose item is gone"
    if run.limit:
        pace = run.pace
        summary |= {"limit": run.limit, "left": run.left, "seconds_left": round(run.left * pace, 1) if pace else None}
        takes = f", about {duration(run.left * pace)} at {1 / pace:.3g} items/s" if run.left and pace else ""
        text += f"; {count(run.left, 'item')} left{takes}" + (": embed them with --update, without --limit" if run.left else "")
    if run.shard:
        number, of = run.shard
        summary["shard"] = f"{number}/{of}"
        text += f", part {number} of {of}, from 0; altool merge makes the parts a table"
    console.result(summary, text)
