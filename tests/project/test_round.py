"""`altool round` and `altool status`, from a shell: what a person or cron sees of a project."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from program import Running

from altool.project.state import stamp

pytestmark = pytest.mark.slow

Copy = Callable[[Any], Any]


def events(project: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.folder / "log.jsonl").read_text().splitlines()]


def test_states_have_codes_of_their_own_and_nothing_is_said_of_nothing(begun: Any, copy: Copy) -> None:
    project = copy(begun)
    assert project.round(code=4) == ""  # waiting, and nobody there to read it
    assert project.text == ""
    before = {path: path.stat().st_mtime_ns for path in project.folder.rglob("*") if path.is_file() and path.name != "lock"}
    project.round("--json", code=4)
    found = json.loads(project.text)
    assert (found["state"], found["round"], found["asked"], found["open"], found["events"]) == ("waiting", 0, 40, 40, [])
    assert {path: path.stat().st_mtime_ns for path in before} == before
    project.altool("status")
    assert "round 0 · 0 of 40 answered (open for" in project.text
    assert "next: answer rounds/000/todo.csv, put the answers into answers/, then altool round" in project.text


def test_a_half_filled_sheet_waits_and_a_late_one_is_read(begun: Any, copy: Copy) -> None:
    project = copy(begun)
    ids = project.asked()
    project.answer("000.csv", ids[:39])
    assert "answers/000.csv: answers: 39 imported" in project.round(code=4)
    assert project.round(code=4) == ""
    project.altool("status", "--json")
    found = json.loads(project.text)
    assert (found["answered"], found["open"], found["unread"]) == (39, 1, [])
    project.answer("late.csv", ids[39:])
    said = project.round()
    assert "answers/late.csv: answers: 1 imported" in said
    assert re.search(
        r"round 0 is closed: 40 of 40 answers\n(warning: .*\n)*round 1: accuracy 0\.\d+ .* of 10 targets met, 0 proved\n", said
    )
    assert "round 1 asks for 40 labels: rounds/001/todo.csv; put the answers into answers/" in said
    assert len(project.labels()) == 40
    page = (project.folder / "report.html").read_text()
    assert "<p>40 rows of round 1 to label, the most useful first.</p>" in page  # the page is made when the batch is out
    assert page.count("<img") >= 40


def test_corrections_typos_and_skips(begun: Any, copy: Copy) -> None:
    project = copy(begun)
    ids = project.asked()
    wrong = "0" if project.truth[ids[1]] != "0" else "1"
    project.answer("000.csv", ids, **{ids[0].replace("-", "_"): "sevn", ids[1].replace("-", "_"): wrong, ids[2].replace("-", "_"): "skip"})
    said = project.round(code=4)
    assert "warning: altool import-labels: refused: unknown class, 1 row" in said
    assert "answers/000.csv: answers: 39 imported, 1 skipped, 1 refused" in said
    project.altool("status")
    assert "39 of 40 answered" in project.text
    assert "answers/000.csv: 1 answer refused; they are in labels.rejects" in project.text
    project.answer("000.csv", ids, **{ids[2].replace("-", "_"): "skip"})  # the person mends the sheet
    assert "2 imported, 1 changed" in project.round()
    labels = project.labels()
    assert len(labels) == 39
    assert ids[2] not in labels
    assert {one: labels[one] for one in ids[:2]} == {one: project.truth[one] for one in ids[:2]}


def test_a_round_closes_at_a_share_or_after_a_time(begun: Any, copy: Copy, tmp_path: Path) -> None:
    project = copy(begun)
    ids = project.asked()
    project.set("round", "close_at = 0.9")
    project.answer("000.csv", ids[:35])
    project.round(code=4)
    project.answer("000-more.csv", ids[35:36])
    said = project.round()
    assert "round 0 is closed: 36 of 40 answers; 4 rows may be asked again" in said
    project.answer("000-late.csv", ids[36:])  # read all the same
    assert "answers/000-late.csv: answers: 4 imported" in project.round(code=4)
    assert len(project.labels()) == 40

    shutil.copytree(begun.folder, tmp_path / "timed")
    project.folder = tmp_path / "timed"
    project.set("round", 'close_after = "3d"')
    queries = project.folder / "rounds/000/queries.parquet"
    os.utime(queries, (time.time() - 4 * 86400,) * 2)
    project.round(code=4)  # without any answer there is nothing to go on with
    project.answer("000.csv", ids[:20])
    assert "round 0 is closed: 20 of 40 answers; 20 rows may be asked again" in project.round()


def test_three_commands_from_a_folder_of_pictures_to_a_report(tmp_path: Path, at: Callable[[Path], Any]) -> None:
    """Nothing but pictures: rows to measure on are asked for together with the first ones to learn from."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    table = pq.read_table(Path(__file__).parents[2] / "sample_data/digits/items.parquet").slice(0, 200)
    for one, image in zip(table.column("id").to_pylist(), table.column("image").to_pylist(), strict=True):
        (pictures / f"{one}.png").write_bytes(image)
    project = at(tmp_path)
    project.altool("init", "pictures", "digits", "--classes", ",".join(map(str, range(10))))
    said = project.altool("round", "digits")
    assert "round 0 asks for 60 labels, 40 of them to measure on: rounds/000/todo.csv, rounds/000/todo.html" in said
    project.folder = tmp_path / "digits"
    page = (project.folder / "rounds/000/todo.html").read_text()
    assert page.count("data:image/") == 60
    ids = project.asked()
    assert len(set(ids)) == 60
    lines = ["altool_id,label", *(f"{one},{project.truth[one.removesuffix('.png')]}" for one in ids)]
    (project.folder / "answers/all.csv").write_text("\n".join(lines) + "\n")
    said = project.round()
    assert re.search(r"round 1: accuracy .* of 10 targets met, 0 proved", said)
    assert (project.folder / "report.html").exists()
    project.altool("status", "--json")
    found = json.loads(project.text)
    assert (found["labels"], found["held_out"], found["measured"]["round"]) == (20, 40, 1)


def test_new_items_are_embedded_and_asked(measured: Any, copy: Copy) -> None:
    project = copy(measured)
    items = pq.read_table(project.folder / "items.parquet")
    fresh = [f"new-{number}" for number in range(50)]
    more = items.slice(0, 50).set_column(0, "id", pa.array(fresh))
    pq.write_table(pa.concat_tables([items, more]), project.folder / "items.parquet")
    project.answer("001.csv", project.asked("001/todo.csv"))
    project.round()
    assert len(pq.read_table(project.folder / "features.parquet", columns=["id"])) == len(items) + 50
    scored = pq.read_table(project.folder / "rounds/002/predictions.parquet", columns=["id"]).column("id").to_pylist()
    assert set(fresh) <= set(scored)


def test_met_says_how_and_goes_on_when_targets_rise(measured: Any, copy: Copy) -> None:
    project = copy(measured)
    project.answer("001.csv", project.asked("001/todo.csv"))
    targets = project.folder / "targets.toml"
    kept = targets.read_text()
    targets.write_text('[default]\nmetric = "f1"\ntarget = 0.01\n')
    said = project.round(code=10)
    assert "10 of 10 targets met, 10 proved" in said
    assert "round 2: every target is met by estimate" in said
    assert project.round(code=10) == ""
    project.altool("status")
    assert "next: look at report.html; to go on, raise targets.toml" in project.text
    targets.write_text(kept)
    assert "round 2 asks for 40 labels" in project.round()
    assert "round.until" not in project.said
    project.round("--set", "round.until=maybe", code=2)
    assert "altool.toml, [round] until: expected estimate or proved, found 'maybe'" in project.said


def test_until_proved_is_not_content_with_an_estimate(measured: Any, copy: Copy) -> None:
    project = copy(measured)
    project.answer("001.csv", project.asked("001/todo.csv"))
    (project.folder / "targets.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.8\n')
    project.set("round", 'until = "proved"')
    assert "round 2 asks for 40 labels" in project.round()
    met = re.search(r"(\d+) of 10 targets met, (\d+) proved", project.said)
    assert met is not None
    assert int(met[1]) > int(met[2])


def test_exhausted_and_then_new_items(begun: Any, copy: Copy) -> None:
    project = copy(begun)
    ids = set(project.asked())
    items = pq.read_table(project.folder / "items.parquet")
    project.answer("rest.csv", [one for one in items.column("id").to_pylist() if one not in ids and one not in held(project)])
    project.altool("import-labels", "answers/rest.csv", "--labels", "labels", "--items", "items.parquet", "--source", "exploit")
    (project.folder / "answers/rest.csv").unlink()
    project.answer("000.csv", ids)
    assert "round 1: nothing is left to label" in project.round(code=11)
    assert project.round(code=11) == ""
    more = items.slice(0, 3).set_column(0, "id", pa.array(["a", "b", "c"]))
    pq.write_table(pa.concat_tables([items, more]), project.folder / "items.parquet")
    assert "round 1 asks for 3 labels" in project.round()


def held(project: Any) -> set[str]:
    return {line.split(",")[0] for line in (project.folder / "holdout.csv").read_text().splitlines()}


def test_a_second_call_is_told_of_the_first(begun: Any, copy: Copy) -> None:
    project = copy(begun)
    with open(project.folder / ".altool/lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another altool round is at work" in project.round(code=75)
        project.altool("status")  # waits for nobody


def test_it_runs_without_any_environment_and_from_anywhere(begun: Any, copy: Copy, tmp_path: Path) -> None:
    project = copy(begun)
    project.answer("000.csv", project.asked())
    words = ["env", "-i", sys.executable, "-m", "altool", "round", str(project.folder), "--timestamps"]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ round 1 asks for 40 labels", done.stderr, re.MULTILINE)


def test_strangers_in_the_folders_do_not_matter_and_a_broken_export_is_named(begun: Any, copy: Copy) -> None:
    project = copy(begun)
    for name in ("rounds/notes.txt", "rounds/999x", "answers/README.md", "answers/.~lock.000.csv#", "answers/todo.html"):
        (project.folder / name).write_text("not yet\n")
    (project.folder / "rounds/zz").mkdir()
    assert project.round(code=4) == ""
    ids = project.asked()
    (project.folder / "answers/000-a.csv").write_bytes(b'{"altool_id": ')
    os.utime(project.folder / "answers/000-a.csv", (1, 1))
    project.answer("000-b.csv", ids)
    said = project.round(code=3)
    assert "error: altool import-labels: export answers/000-a.csv" in said
    assert len(project.labels()) == 40  # the other one was read
    project.round(code=3)
    assert [entry["event"] for entry in events(project)].count("failed") == 1
    (project.folder / "answers/000-a.csv").unlink()
    assert "round 1 asks for 40 labels" in project.round()


def test_hooks_run_once_for_each_event_without_a_shell(begun: Any, copy: Copy) -> None:
    project = copy(begun)
    ids = project.asked()
    heard = project.folder / "heard.jsonl"
    (project.folder / "hear.py").write_text(f"import sys; open({str(heard)!r}, 'a').write(sys.stdin.read() + sys.argv[1] + chr(10))")
    hook = [sys.executable, "hear.py", "$(touch shell)"]
    project.set("hooks", f"asked = {json.dumps(hook)}\nclosed = {json.dumps(shlex.join(hook))}\nfailed = 'no-such-program'\nmet = 'false'")
    project.answer("000.csv", ids)
    project.round()
    project.round(code=4)
    found = [json.loads(line.removesuffix("$(touch shell)")) for line in heard.read_text().splitlines()]
    assert [(one["event"], one["round"]) for one in found] == [("closed", 0), ("asked", 1)]
    assert found[1]["files"] == ["rounds/001/todo.csv"]
    assert not (project.folder / "shell").exists()
    (project.folder / "answers/bad.csv").write_text("nothing\n")
    assert "[hooks] failed: no-such-program cannot be run" in project.round(code=3)


def test_what_is_explained_is_all_that_is_run(begun: Any, copy: Copy, tmp_path: Path) -> None:
    project = copy(begun)
    project.answer("000.csv", project.asked())
    shutil.copytree(project.folder, tmp_path / "by hand")
    project.round("--explain")
    folder, switch, *commands = project.text.splitlines()
    assert (shlex.split(folder), switch) == (["cd", str(project.folder)], "export ALTOOL_DEFAULTS=off")
    (tmp_path / "by hand/rounds/001").mkdir()
    for command in commands:
        name, *words = shlex.split(command)
        assert name == "altool"
        assert Running(words, tmp_path / "by hand", ALTOOL_DEFAULTS="off").end()[0] in (0, 5)
    for name in ("rounds/001/queries.parquet", "rounds/001/model/weights.safetensors", "rounds/001/todo.csv", "rounds/001/metrics.parquet"):
        assert (tmp_path / "by hand" / name).read_bytes() == (project.folder / name).read_bytes(), name


def test_undo_moves_rounds_away_and_keep_forgets_models(measured: Any, copy: Copy) -> None:
    project = copy(measured)
    project.set("round", "keep = 1")
    project.answer("001.csv", project.asked("001/todo.csv"))
    project.round("--set", "select.budget=7")
    assert len(project.asked("002/todo.csv")) == 7
    assert not (project.folder / "rounds/001/model").exists()
    assert (project.folder / "rounds/001/metrics.parquet").exists()
    assert (project.folder / "rounds/002/model").exists()
    assert "moved to undone/001-1, undone/002-1" in project.round("--undo", 1)
    assert "the project has no such round" in project.round("--undo", 1, code=3)
    assert "round 1 asks for 40 labels" in project.round()
    assert not set(project.asked("001/todo.csv")) & set(project.labels())  # the log keeps the answers
    assert len(project.labels()) == 80


@pytest.mark.parametrize("seconds", [1.7])
def test_killed_anywhere_it_ends_with_the_same_bytes(begun: Any, measured: Any, copy: Copy, seconds: float) -> None:
    project = copy(begun)
    shutil.copy2(measured.folder / "answers/000.csv", project.folder / "answers")
    running = subprocess.Popen(
        [sys.executable, "-m", "altool", "round", str(project.folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    time.sleep(seconds)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    done = (project.folder / "rounds/001/queries.parquet").exists() and told(project)
    project.altool("round", code=4 if done else 0)
    for name in ("rounds/001/queries.parquet", "rounds/001/model/weights.safetensors", "rounds/001/todo.csv"):
        assert (project.folder / name).read_bytes() == (measured.folder / name).read_bytes(), name
    assert stamp_names(project) == stamp_names(measured)
    assert [entry["event"] for entry in events(project)].count("asked") == 2


def told(project: Any) -> bool:
    return any(entry["event"] == "asked" and entry["round"] == 1 for entry in events(project))


def stamp_names(project: Any) -> list[str]:
    return [entry[0] for entry in stamp(project.folder / "labels")]
