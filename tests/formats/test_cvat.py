"""CVAT's XML for images: tags, who made them, and what such a document must not hold."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from imports import imported, said

from altool.errors import InputError
from altool.labels import registry
from altool.labels.exchange import Task

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'


def image(name: str, *tags: str) -> str:
    return f'<image id="0" name="{name}" width="6" height="4">{"".join(tags)}</image>'


def tag(label: str, source: str = "manual", attributes: str = "") -> str:
    return f'<tag label="{label}" source="{source}">{attributes}</tag>'


def page(*images: str) -> str:
    return f"{HEAD}<annotations><version>1.1</version><meta><task/></meta>{''.join(images)}</annotations>"


def test_tags(folder: Path) -> None:
    images = [image("r-1.jpg", tag("positive")), image("r-2.jpg"), image("r-3.jpg", tag("negative", "auto"))]
    images += [image("r-4.jpg", '<box label="positive" source="manual"/>'), image("r-5.jpg", tag("positive"), tag("negative"))]
    (folder / "e.xml").write_text(page(*images))
    summary = imported(folder, "e.xml")
    assert said(folder) == {"r-1": ("positive", None, "explore"), "r-3": ("negative", None, "auto")}
    assert (summary["unlabeled"], summary["refused"]) == (2, {"conflict": 2})


def test_an_archive_with_its_pictures(folder: Path) -> None:
    with zipfile.ZipFile(folder / "e.zip", "w") as archive:
        archive.writestr("images/r-1.jpg", b"")
        archive.writestr("annotations.xml", page(image("images/r-1.jpg", tag("positive"))))
    assert (imported(folder, "e.zip")["imported"], set(said(folder))) == (1, {"r-1"})


def test_an_attribute_of_the_tag_may_hold_the_id(folder: Path) -> None:
    own = tag("positive", attributes='<attribute name="altool_id">r-2</attribute>')
    (folder / "e.xml").write_text(page(image("1.jpg", own)))
    imported(folder, "e.xml", items=str(folder / "pictures.parquet"))
    assert set(said(folder)) == {"r-2"}


def test_with_items_the_picture_must_be_that_of_its_id(folder: Path) -> None:
    (folder / "e.xml").write_text(page(image("r-1.jpg", tag("positive")), image("r-2.jpg")))
    with pytest.raises(InputError, match="the text is not that of its id"):
        imported(folder, "e.xml", items=str(folder / "pictures.parquet"))
    (folder / "e.xml").write_text(page(image("1.jpg", tag("positive")), image("x%204.jpg", tag("negative"))))
    assert imported(folder, "e.xml", items=str(folder / "pictures.parquet"), match="path")["imported"] == 2
    assert set(said(folder)) == {"r-1", "r-4"}


BOMB = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEAD + BOMB + "<annotations><image name='&b;.jpg'/></annotations>", "DOCTYPE"),
        (HEAD + '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>', "DOCTYPE"),
        (page(image("r-1.jpg", tag("positive")))[:-20], "not complete XML"),
        (page("<track id='0' label='positive'/>"), "tracks of a video"),
        (page(), "no images"),
        ("<annotations>" + "<a>" * 200 + "</a>" * 200 + "</annotations>", "nested more than 100 deep"),
    ],
)
def test_what_is_refused(folder: Path, content: str, message: str) -> None:
    (folder / "e.xml").write_text(content)
    with pytest.raises(InputError, match=message):
        imported(folder, "e.xml")


def test_what_goes_out() -> None:
    tasks = [Task("r-2", 1, 0, path="a b.jpg", address="https://h/a%20b.jpg"), Task("r-1", 2, 0, path="c.jpg")]
    files = registry.export("cvat", tasks, ["cat", "größe"])
    assert files[""] == b"https://h/a%20b.jpg\nc.jpg\n"
    assert json.loads(files[".labels.json"]) == [{"name": name, "type": "tag", "attributes": []} for name in ("cat", "größe")]
    for task, message in ((Task("r-1", 1, 0, text="t"), "1 picture without an address"), (Task("r-1", 1, 0, path="a\nb"), "1 address of")):
        with pytest.raises(InputError, match=message):
            registry.export("cvat", [task], [])
