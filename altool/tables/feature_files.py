"""The files of a features table, and what lies beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from altool.tables import space, write


@dataclass(frozen=True)
class Target:
    """Where the features go: a file, or a folder of part files. `given` is --output; `there`: it is to be updated."""

    given: str
    path: Path
    parts: bool
    there: bool

    @property
    def rejects(self) -> Path:
        return self.beside(".rejects.parquet")

    def beside(self, ending: str) -> Path:
        name = self.path.name if self.parts else self.path.name.removesuffix(".parquet")
        return self.path.with_name(name + ending)

    def written(self) -> list[Path]:
        """The files that hold features."""
        return sorted(self.path.glob("part-*.parquet")) if self.parts else [self.path]

    def next_part(self) -> Path:
        """The file that holds the rows of an update of a folder."""
        numbers = [int(path.stem.removeprefix("part-")) for path in self.written()]
        return self.path / f"part-{max(numbers, default=-1) + 1:05d}.parquet"

    def keep_fit(self, fit: Path) -> None:
        """Put the fit beside the file that is about to be written."""
        place = self.beside(f".space{fit.suffix}")
        if not (place.exists() and place.samefile(fit)):
            with write.replacing(place) as temporary:
                space.keep(fit, temporary)
