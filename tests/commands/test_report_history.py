"""`altool compare DIR…`, and `altool report --history DIR` that does the same, as a user runs them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checked import checked
from conftest import Page, Recorder

from altool.commands import compare
from altool.commands.report import Options, run
from altool.errors import InputError, UsageError
from altool.tables.schema import KINDS

pytestmark = pytest.mark.slow

TYPES = KINDS["history"].columns


def table(name, repeat, totals, values, classes=("ant", "bee", "cat"), seconds=4.0):
    """One repeat of one run: the classes' F1 and recall are all alike, the pool has 60, 30 and 10 % of each."""
    rows = []
    for round_, (total, value) in enumerate(zip(totals, values, strict=True)):
        facts = {"run": name, "repeat": repeat, "round": round_, "total": total, "asked": total}
        facts["seconds"] = None if seconds is None else seconds * total
        for metric in ("accuracy", "macro_f1", "macro_recall"):
            rows.append(facts | {"class": None, "metric": metric, "value": value, "labels": total})
        for place, class_ in enumerate(classes):
            mine = {"labels": (total + place) // len(classes), "pool": (60, 30, 10)[place % 3]}
            rows += [facts | mine | {"class": class_, "metric": metric, "value": value} for metric in ("f1", "recall", "precision")]
    return pa.Table.from_pylist(rows, pa.schema({key: TYPES[key] for key in TYPES if key not in ("low", "high")}))


def write(content, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(content, path)


NOISE = (0.02, -0.03, 0.01, 0.0, -0.01)


@pytest.fixture
def case(tmp_path, monkeypatch):
    """Three runs of five repeats: `good` is 0.1 better at the end, `twin` the same but for noise."""
    monkeypatch.chdir(tmp_path)
    for number, shift in enumerate(NOISE):
        base = 0.3 + 3 * shift
        for name, gain in (("random", 0.0), ("good", 0.1 + shift), ("twin + diversify", shift)):
            heights = [base, base + 0.2 + gain / 2, base + 0.3 + gain]
            write(table(name, number, [50, 100, 200], heights), Path(f"sim/runs/{name.split()[0]}-{number}/history.parquet"))
    write(pa.table({"id": ["a"], "label": ["ant"]}), Path("sim/runs/good-0/picks.parquet"))
    return tmp_path


def report(**options):
    console = Recorder()
    run(checked(Options, **{"history": ["sim"], **options}), console)
    return console.said


def of(found, name):
    return next(run for run in found["runs"] if run["name"] == name)


def test_values_by_hand(case):
    found = report()
    assert (found["metric"], found["class_metric"], found["baseline"], found["labels"]) == ("macro_f1", "f1", "random", [50, 200])
    assert [(one["name"], one["repeats"]) for one in found["runs"]] == [("good", 5), ("random", 5), ("twin + diversify", 5)]
    # random: 0.294, 0.494 and 0.594 on average; the first step is half as long as the second
    assert of(found, "random")["area"]["all"]["value"] == pytest.approx(100 * ((0.294 + 0.494) / 2 + 2 * (0.494 + 0.594) / 2) / 3)
    assert of(found, "good")["final"]["all"]["value"] == pytest.approx(0.692)
    # 90 % of 0.692 is 0.62; the curve's means give 0.62 between 100 (0.543) and 200 labels
    assert [level["level"] for level in of(found, "good")["levels"]] == [0.62]
    difference = of(found, "good")["difference"]["all"]
    # gains of 0.05 and 0.1 at 100 and 200 labels, less 0.001 and 0.002 of noise
    assert difference["value"] == pytest.approx(100 * (0.049 / 2 + 2 * (0.049 + 0.098) / 2) / 3)
    assert difference["verdict"] == "better"
    assert of(found, "twin + diversify")["difference"]["all"]["verdict"] == "no difference"
    assert of(found, "random")["difference"] is None
    assert found["caution"] == ""


def test_terminal(altool, case):
    done = altool("report", "--history", "sim", "--level", "0.5", "--level", "0.9", "--tail-share", "0.3")
    lines = done.text.splitlines()
    assert lines[0].strip() == "macro-F1 from 50 to 200 labels; 3 runs of 5 repeats"
    assert any(line.startswith("good: better than random by 5.7 [") for line in lines)
    assert any(line.startswith("twin + diversify: no detectable difference from random: -0.1 [") for line in lines)
    assert any(line.startswith("  tail: better than random by 5.7 [") for line in lines)
    assert "random (baseline)" in done.text
    assert "not reached" in done.text
    assert "tail labels" in done.text
    assert "hours" in done.text
    assert done.said == (
        "note: use altool compare DIR… instead of --history alone\n"
        "macro-F1 from 50 to 200 labels; 3 runs of 5 repeats; against random: 1 better, 1 without a detectable difference; "
        "take good: best with probability over 0.99 (5 repeats)\n"
    )
    assert lines[1].strip() == "take good: best with probability over 0.99 (5 repeats)"
    assert lines[2].startswith("good against random, at macro-F1 0.5: ")


def test_other_metrics_and_baselines(case):
    found = report(metric="accuracy", baseline="good", level=[0.5, 0.4, 0.5], tail_classes="cat")
    assert (found["class_metric"], found["tail"], found["baseline"]) == ("recall", ["cat"], "good")
    assert [level["level"] for level in found["runs"][0]["levels"]] == [0.4, 0.5]
    assert of(found, "random")["difference"]["tail"]["verdict"] == "worse"
    assert of(found, "random")["tail_share"] == pytest.approx(67 / 200)
    assert report(metric="precision")["runs"][0]["area"] == report()["runs"][0]["area"]
    Path("tail.txt").write_text("cat\nbee\n")
    assert report(tail_classes="tail.txt")["tail"] == ["bee", "cat"]
    assert report(tail_share=0.6)["tail"] == ["bee", "cat"]  # two of three, by the pool


def test_prices(case):
    """Every answer of `good` was from scratch, half of the others' were verified."""
    for path in Path("sim/runs").glob("*/history.parquet"):
        content = pq.read_table(path)
        answers = [total - 50 for total in content.column("total").to_pylist()]
        verified = [0 if "good" in str(path) else count // 2 for count in answers]
        counts = {"verified": verified, "corrected": [0] * len(answers), "scratch": [a - v for a, v in zip(answers, verified, strict=True)]}
        for name, values in counts.items():
            content = content.set_column(content.column_names.index(name), name, pa.array(values, pa.int64()))
        write(content, path)
    found = report(cost_verify=1.0, cost_answer=3.0, level=[0.31])
    assert found["prices"] == [1, 3]
    assert (of(found, "good")["costs"], of(found, "random")["costs"]) == ([0, 150, 450], [0, 100, 300])
    level = of(found, "random")["levels"][0]
    assert level["cost"]["value"] == pytest.approx(2 * (level["labels"]["value"] - 50))


def test_prices_need_the_answers(case):
    with pytest.raises(InputError, match="the answers so far"):
        report(cost_verify=1.0, cost_answer=3.0)


def test_where_histories_lie(case):
    expected = report()["runs"]
    assert report(history=["sim/runs"])["runs"] == expected
    assert report(history=["sim/runs/*/history.parquet"])["runs"] == expected
    assert report(history=[f"sim/runs/{name}-{number}" for name in ("good", "random", "twin") for number in range(5)])["runs"] == expected
    one = report(history=["sim/runs/good-0/history.parquet"])
    assert (one["baseline"], len(one["runs"]), one["choice"]) == (None, 1, None)
    Path("sim").rename("a [1]")
    assert report(history=["a [1]"])["runs"] == expected


def test_same_content_same_bytes(case):
    report(output="a.html", summary_output="a.parquet")
    tables = [pq.read_table(path) for path in sorted(Path("sim").rglob("history.parquet"))]
    whole = pa.concat_tables(tables[::-1])
    write(whole.take(pa.array(np.random.default_rng(0).permutation(whole.num_rows))), Path("one/x/history.parquet"))
    report(history=["one"], output="b.html", summary_output="b.parquet")
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()
    assert Path("a.parquet").read_bytes() == Path("b.parquet").read_bytes()


def test_summary_table(case):
    report(summary_output="s.parquet", tail_classes="cat")
    found = pq.read_table("s.parquet")
    assert dict(zip(found.schema.names, found.schema.types, strict=True)) == KINDS["summary"].columns
    assert found.schema.metadata[b"altool.kind"] == b"summary"
    rows = found.to_pylist()
    assert {row["quantity"] for row in rows} == {
        *("area", "final", "area_difference", "labels_needed", "seconds_needed", "labels_efficiency", "seconds_efficiency"),
        *("entropy", "label_share", "curve", "probability_best", "labels_saved"),
        *("difference", "label_imbalance", "label_entropy", "pool_share"),
    }
    chances = {row["run"]: row["value"] for row in rows if row["quantity"] == "probability_best"}
    assert chances == {"good": pytest.approx(1, abs=0.01), "random": pytest.approx(0, abs=0.01), "twin + diversify": 0}
    # the first is that of the choice, at the highest level that all repeats cross; no two runs have all repeats at 0.62
    (saved,) = [row for row in rows if row["quantity"] == "labels_saved"]
    assert (saved["run"], saved["baseline"], saved["interval"]) == ("good", "random", "bootstrap")
    assert saved["low"] < saved["value"] < saved["high"]
    difference = next(row for row in rows if row["run"] == "good" and row["quantity"] == "area_difference" and row["scope"] == "all")
    assert (difference["baseline"], difference["interval"], difference["repeats"]) == ("random", "bootstrap", 5)
    assert difference["low"] > 0
    report(summary_output="s.csv")
    assert Path("s.csv").read_text().startswith("run,scope,class,metric,quantity,")


def test_standard_output(altool, case):
    arguments = ["report", "--history", "sim"]
    assert altool(*arguments, "-o", "-").stdout.startswith(b"<!DOCTYPE html>")
    assert pq.read_table(pa.BufferReader(altool(*arguments, "--summary-output", "-").stdout)).num_rows == 70 + 6 + 18 + 9


def test_compare_does_what_history_alone_does(case, capsys):
    options = {"level": [0.5], "tail_share": 0.3, "baseline": "random"}
    console = Recorder()
    compare.run(checked(compare.Options, tables=["sim"], output="c.html", summary_output="c.parquet", **options), console)
    assert capsys.readouterr().err == ""
    found = report(output="r.html", summary_output="r.parquet", **options)
    assert capsys.readouterr().err == "note: use altool compare DIR… instead of --history alone\n"
    assert console.said | {"command": "report", "output": "r.html", "summary_output": "r.parquet"} == found
    assert pq.read_table("c.parquet").equals(pq.read_table("r.parquet"))
    command = (b'<dt>command</dt><dd><bdi dir="auto">compare<', b'<dt>command</dt><dd><bdi dir="auto">report<')
    assert command[0] in Path("c.html").read_bytes()
    assert Path("c.html").read_bytes().replace(*command) == Path("r.html").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tables": ["sim"], "output": "sim/page.html"}, "--output sim/page.html lies in the DIR sim"),
        ({"tables": ["sim"], "cost_verify": 1.0}, "--cost-answer is missing"),
        ({"tables": ["sim"], "targets": "t.toml"}, "--targets has no effect with this command"),
        ({"tables": ["sim"], "metric": "label_entropy", "tail_share": 0.3}, "--tail-share has no effect with --metric label_entropy"),
        ({"tables": ["sim"], "metric": "accuracy", "exclude_classes": "bee"}, "--exclude-classes has no effect with --metric accuracy"),
        ({"tables": ["sim"], "settings": True, "exclude_classes": "bee"}, "--exclude-classes has no effect with --settings"),
        ({"tables": ["sim"], "exclude_classes": "dog"}, r"--exclude-classes names 1 unknown class \(dog\)"),
        ({"tables": ["sim"], "exclude_classes": "ant,bee,cat"}, "--exclude-classes names every class"),
        ({"tables": ["sim"], "exclude_classes": "ant", "tail_classes": "ant"}, "--tail-classes and --exclude-classes both name ant"),
        ({"tables": ["sim"], "exclude_classes": "ant", "tail_classes": "bee,cat"}, "names every class but the excluded ones"),
    ],
)
def test_compare_refuses(case, options, message):
    with pytest.raises((UsageError, InputError), match=message):
        compare.run(checked(compare.Options, **options), Recorder())


def compared(**options):
    console = Recorder()
    compare.run(checked(compare.Options, **{"tables": ["sim"], **options}), console)
    return console.said


def test_classes_left_out(case):
    """All classes are alike, so that the means without one are the same; but the labels are those of the others."""
    whole, found = compared(), compared(exclude_classes="bee", tail_classes="cat")
    assert (whole["left_out"], found["left_out"], found["tail"]) == ([], ["bee"], ["cat"])
    for quantity in ("area", "final"):
        assert of(found, "good")[quantity]["all"] == of(whole, "good")[quantity]["all"]
    # of 200 labels ant and cat have 66 and 67
    assert of(found, "good")["entropy"]["value"] == pytest.approx(np.log(2), abs=1e-4)
    Path("others.txt").write_text("bee\n")
    assert compared(exclude_classes="others.txt", tail_classes="cat")["runs"] == found["runs"]


def test_the_balance_of_labels_as_a_metric(case):
    found = compared(metric="label_imbalance", output="b.html", exclude_classes="bee")
    assert (found["metric"], found["class_metric"], found["choice"]) == ("label_imbalance", "label_share", None)
    # ant and cat have 16 and 17 of 50 labels, 33 and 34 of 100, 66 and 67 of 200
    assert of(found, "good")["curves"]["all"]["value"] == pytest.approx([1 / 33, 1 / 67, 1 / 133])
    assert found["runs"][0]["levels"] == []
    assert b"label imbalance from 50 to 200 labels" in Path("b.html").read_bytes()
    assert compared(metric="label_entropy")["runs"][0]["final"]["all"]["value"] == pytest.approx(np.log(3), abs=1e-4)


def test_suggestions_of_the_picks(altool, case):
    """`good` has tiers, the others' picks have no suggestion."""
    tiers, labels = ["hard", "hard", "easy", "easy"], ["ant", "ant", "bee", "bee"]
    for repeat, truths in ((0, ["ant", "cat", "bee", "bee"]), (1, ["cat", "cat", "bee", "bee"])):
        columns = {"id": list("abcd"), "run": ["good"] * 4, "repeat": [repeat] * 4, "round": [1, 2, 1, 2], "tier": tiers}
        types = {"repeat": pa.int32(), "round": pa.int32()}
        content = pa.table({name: pa.array(values, types.get(name)) for name, values in columns.items()})
        content = content.append_column("suggested_label", pa.array(labels)).append_column("truth", pa.array(truths))
        write(content, Path(f"sim/runs/good-{repeat}/picks.parquet"))
        none = pa.array([None] * 4, pa.string())
        other = content.set_column(content.column_names.index("suggested_label"), "suggested_label", none)
        write(other.drop(["tier"]), Path(f"sim/runs/random-{repeat}/picks.parquet"))
    done = altool("compare", "sim", "-o", "p.html", "--summary-output", "s.parquet")
    assert [line.split() for line in done.text.splitlines() if line.strip().startswith("good") and "hard" in line] == [
        ["good", "hard", "4", "0.250", "0.00–0.50", "0.500", "0.000"]
    ]
    rows = [row for row in pq.read_table("s.parquet").to_pylist() if row["quantity"] == "suggestions_right"]
    assert {(row["tier"], row["round"]): row["value"] for row in rows} == {
        ("hard", None): 0.25,
        ("hard", 1): 0.5,
        ("hard", 2): 0,
        ("easy", None): 1,
        ("easy", 1): 1,
        ("easy", 2): 1,
    }
    page = Page(Path("p.html").read_text()).text
    assert "Suggestions that are the row's true class" in page


def test_a_projects_own_rounds(case):
    for number, (total, value) in enumerate([(20, 0.1), (40, 0.3), (60, 0.35)]):
        content = table("x", 0, [total], [value]).drop(["run", "repeat", "total", "asked", "seconds", "pool"])
        content = content.set_column(content.column_names.index("round"), "round", pa.array([number] * content.num_rows, pa.int32()))
        write(content, Path(f"project/{number}.parquet"))
    found = report(history=["project"], tail_share=0.3)
    assert [one["name"] for one in found["runs"]] == ["this project"]
    assert found["runs"][0]["curves"]["all"] == {"labels": [20, 40, 60], "value": [0.1, 0.3, 0.35], "low": None, "high": None}
    assert found["tail"] == ["ant"]  # nothing knows the pool: the fewest labels
    x, y = np.log2([20, 40, 60]), [0.1, 0.3, 0.35]
    assert found["gain"]["slope"] == pytest.approx(np.polyfit(x, y, 1)[0])
    assert (found["gain"]["rounds"], found["gain"]["first"], found["gain"]["last"], found["choice"]) == (3, 20, 60, None)
    assert report()["gain"] is None
    both = report(history=["project", "sim"])
    assert (len(both["runs"]), both["labels"]) == (4, [50, 60])
    assert "differ" in both["caution"]


def test_a_project_is_told_what_the_next_labels_bring(altool, case):
    for number, (total, value) in enumerate([(100, 0.5), (200, 0.55), (400, 0.6)]):
        content = table("x", 0, [total], [value]).drop(["run", "repeat", "total", "asked", "seconds", "pool"])
        content = content.set_column(content.column_names.index("round"), "round", pa.array([number] * content.num_rows, pa.int32()))
        write(content, Path(f"project/{number}.parquet"))
    text = " ".join(altool("compare", "project").text.split())
    assert "this project: the next 100 labels bring 1.6 points of macro-F1 [1.6, 1.6] (the line through the last 3 rounds" in text


def test_other_repeats_are_warned_about(case):
    shutil.rmtree("sim/runs/good-4")
    found = report()
    assert of(found, "good")["difference"]["all"]["repeats"] == 4
    assert found["warnings"] == ["1 run with other repeats than random; only common repeats are compared (good: 4)"]
    with pytest.raises(InputError, match="other repeats"):
        report(strict=True)


def test_no_classes_and_no_seconds(case):
    content = table("random", 0, [50, 100], [0.1, 0.2], classes=(), seconds=None)
    write(content, Path("bare/history.parquet"))
    found = report(history=["bare"], output="b.html", summary_output="b.parquet")
    only = found["runs"][0]
    assert (only["shares"], only["entropy"], only["levels"][0]["seconds"]) == (None, None, None)
    with pytest.raises(InputError, match="no class has 'f1'"):
        report(history=["bare"], metric="f1")
    with pytest.raises(InputError, match="the tail is unknown"):
        report(history=["bare"], tail_share=0.3)
    with pytest.raises(InputError, match=r"--tail-classes names 1 unknown class \(cat\)"):
        report(history=["bare"], tail_classes="cat")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": "t.toml"}, "--targets has no effect with --history alone"),
        ({"metrics_output": "m.parquet"}, "--metrics-output has no effect with"),
        ({"check_targets": "proved"}, "--check-targets has no effect with"),
        ({"evaluate_on": "all"}, "--evaluate-on has no effect with"),
        ({"classes": "a,b"}, "--classes has no effect with"),
        ({"round": 3}, "--round has no effect with"),
        (
            {"metric": "auc"},
            "--metric: expected macro_f1, macro_recall, accuracy, shortfall, .* specificity, label_imbalance or label_entropy, found 'auc'",
        ),
        ({"level": [0.0]}, "--level: expected a number above 0 and at most 1, found 0"),
        ({"tail_share": 1.0}, "--tail-share: expected a number above 0 and at most 0.999, found 1"),
        ({"tail_share": 0.5, "tail_classes": "ant"}, "--tail-classes has no effect with --tail-share"),
        ({"tail_classes": "ant,ant"}, "--tail-classes: duplicate class 'ant'"),
        ({"output": "x", "summary_output": "x"}, "--summary-output x is the --output x"),
        ({"output": "-"}, "--output and --json: only one of them can be on standard output"),
        ({"summary_output": "old.parquet"}, "exists"),
        ({"labels": "l.parquet"}, "--predictions is missing"),
        ({"predictions": "p.parquet"}, "--labels is missing"),
        ({"history": None}, "--predictions is missing"),
        ({"cost_answer": 4.0}, "--cost-verify is missing"),
        ({"predictions": "p", "labels": "l", "baseline": "random"}, "--baseline has no effect with --predictions and --labels"),
        ({"predictions": "p", "labels": "l", "tail_share": 0.2}, "--tail-share has no effect with --predictions and --labels"),
        ({"predictions": "p", "labels": "l", "summary_output": "s"}, "--summary-output has no effect with --predictions and --labels"),
    ],
)
def test_usage(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    Path("old.parquet").touch()
    with pytest.raises(UsageError, match=message):
        report(**options)


def test_the_command_line_refuses_too(altool, case):
    done = altool("report", "--json", code=2)
    assert "--predictions is missing" in done.said
    assert "altool compare DIR" in json.loads(done.text)["error"]["hint"]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:400]), {}, "damaged|cannot be read"),
        (lambda path: write(pq.read_table(path).drop(["total"]), path), {}, "has no column 'total'"),
        (lambda path: write(pq.read_table(path).drop(["run"]), path), {}, "has no column 'run'"),
        (lambda path: write(table("good", 1, [50], [0.5]), path), {}, "run 'good', repeat 1, round 0: the metric of .* appears twice"),
        (lambda path: write(table("good", 0, [50, 40], [0.5, 0.5]), path), {}, "the labels fall from 50 to 40"),
        (lambda path: write(table("good", 0, [250, 300], [0.5, 0.5]), path), {}, "cannot be compared"),
        (lambda path: write(table("good", 0, [50], [95.0]), path), {}, "found 95, expected a share"),
        (lambda path: write(table(None, 0, [50], [0.5]), path), {}, r"column 'run': found null in \d+ rows"),
        (lambda path: None, {"metric": "recall_at_precision"}, "no class has 'recall_at_precision'"),
        (lambda path: None, {"baseline": "margin"}, "run 'margin' of --baseline is unknown"),
        (lambda path: None, {"tail_classes": "cat,elk"}, r"--tail-classes names 1 unknown class \(elk\)"),
        (lambda path: None, {"tail_classes": "ant,bee,cat"}, "names every class"),
        (lambda path: None, {"history": ["nowhere"]}, "no such file or folder"),
    ],
)
def test_bad_input(case, change, options, message):
    change(Path("sim/runs/good-0/history.parquet"))
    with pytest.raises(InputError, match=message):
        report(**options, summary_output="s.parquet")
    assert not Path("s.parquet").exists()


def test_nothing_is_finished_yet(case):
    shutil.rmtree("sim/runs")
    Path("sim/runs/good-0").mkdir(parents=True)
    with pytest.raises(InputError, match="history sim: no run is finished"):
        report()


def test_a_metric_that_nobody_measured(case):
    content = table("random", 0, [50, 100], [0.1, 0.2])
    write(content.filter(pa.compute.not_equal(content.column("metric"), "macro_f1")), Path("less/history.parquet"))
    with pytest.raises(InputError, match=r"\(class null\) hold accuracy, macro_recall, expected 'macro_f1'"):
        report(history=["less"])
    assert report(history=["less"], metric="f1")["runs"][0]["final"]["all"]["value"] == pytest.approx(0.2)


def test_hostile_names(altool, case):
    names = ["<script>alert(1)</script>", "$x$", '" onload="x', "a&amp;b", "\x1b[31mred", "\u202eevil", "漢字", "n" * 500, "_", "[bold]b"]
    for number, name in enumerate([names[0], names[4], names[5], names[-1]]):
        for repeat in range(2):
            content = table(name, repeat, [50, 100], [0.1, 0.2 + number / 50 + repeat / 100], classes=names)
            write(content, Path(f"odd/runs/{number}-{repeat}/history.parquet"))
    done = altool("report", "--history", "odd", "--baseline", names[0], "--tail-share", "0.3", "-o", "r.html")
    for said in (done.text, done.said):
        assert "\x1b" not in said
        assert "\u202e" not in said
    assert "[bold]b" in done.text
    text = Path("r.html").read_text()
    page = Page(text)
    assert page.tags.count("script") == 1
    # of the curves, the differences in area and those at each number of labels all, head and tail; imbalance and entropy; each class
    assert page.tags.count("figure") == 3 * 3 + 2 + 10
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "http:" not in text
    assert "https:" not in text
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for name, value in page.attributes if name == "href"} <= set(ids)
    for name in ("<script>alert(1)</script>", "$x$", '" onload="x', "a&amp;b", "\\x1b[31mred", "漢字"):
        assert name in page.text
    assert "\x1b" not in text
    assert "\u202e" not in text
