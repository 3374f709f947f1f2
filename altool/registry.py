"""How a room's plug-ins are found: its own files, one for each, and the entry points of installed packages."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from altool.errors import InputError, UsageError
from altool.text import clip

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Record = TypeVar("Record")


@dataclass
class Registry(Generic[Record]):
    """The plug-ins of one kind, by name.

    `package` is the folder whose modules they are, but for those named in `others`: `strategies/cluster_margin.py` holds `attribute`, the
    record of cluster-margin. A package of somebody else adds one as an entry point of the group `altool.strategies`, named as users are to
    call it and pointing to such a record; altool's own win over one of the same name. `option` is how a command line names one, `record`
    says what its type is (a function, so that nothing is imported early). `family` makes one out of a name that none has, or gives None.
    """

    package: str
    attribute: str
    option: str
    record: Callable[[], type[Record]]
    others: tuple[str, ...] = ()
    family: Callable[[str], Record | None] = lambda name: None

    @property
    def group(self) -> str:
        """The group of entry points."""
        return self.package

    @cached_property
    def own(self) -> tuple[str, ...]:
        """The names of altool's own, sorted."""
        folder = importlib.import_module(self.package).__path__
        return tuple(sorted(name.replace("_", "-") for _, name, _ in pkgutil.iter_modules(folder) if name not in self.others))

    @cached_property
    def added(self) -> dict[str, EntryPoint]:
        """Those of other packages, by name."""
        from importlib.metadata import entry_points  # here alone: it reads what is installed

        return {point.name: point for point in sorted(entry_points(group=self.group)) if point.name not in self.own}

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted((*self.own, *self.added))

    def every(self, refused: Callable[[InputError], None] = lambda error: None) -> dict[str, Record]:
        """All by name, sorted, but for those of other packages that are broken: `refused` is given the error of each."""
        found = {}
        for name in self.names():
            try:
                found[name] = self.load(name)
            except InputError as error:
                refused(error)
        return found

    def load(self, name: str, option: str = "") -> Record:
        """The one of that name; imports its module alone. Raises UsageError for an unknown name (`option`: what names it), InputError for
        a package's that is broken."""
        if name in self.own:
            found: Record = getattr(importlib.import_module(f"{self.package}.{name.replace('-', '_')}"), self.attribute)
            return found
        if name in self.added:
            return self._added(name, option or self.option)
        if (made := self.family(name)) is not None:
            return made
        close = difflib.get_close_matches(name, self.names(), 1)
        hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(self.names())}"
        raise UsageError(f"{option or self.option}: {clip(repr(name), 80)} is unknown", hint)

    def _added(self, name: str, option: str) -> Record:
        point = self.added[name]
        maker = f"{option} {name}, of package {point.dist.name if point.dist else point.value}"
        try:
            found = point.load()
        except (Exception, SystemExit) as error:  # it is somebody else's code
            text = f"{maker}: it cannot be loaded ({type(error).__name__}: {clip(' '.join(str(error).split()), 200)})"
            raise InputError(text, "upgrade or remove that package") from error
        if not isinstance(found, self.record()):
            text = f"{maker}: expected an altool {self.record().__name__}, found {type(found).__name__}"
            raise InputError(text, f"point its entry point of {self.group} to the record")
        called = getattr(found, "name", name)
        if called != name:  # messages, models and worker processes call it by its record's name
            raise InputError(f"{maker}: expected a record of that name, found {called!r}", "give the entry point the name of the record")
        return found
