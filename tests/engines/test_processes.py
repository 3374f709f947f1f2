"""Work in other processes. `eval` stands for any function that a fresh process can import."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from altool.engines import processes
from altool.errors import AltoolError


@pytest.mark.parametrize("workers", [None, 0, 2])
def test_results_come_in_order(workers: int | None) -> None:
    assert list(processes.ordered_map(eval, [f"{number} * 2" for number in range(40)], workers)) == list(range(0, 80, 2))


def test_little_work_stays_at_home_and_much_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["__import__('os').getpid()"] * 6
    assert set(processes.ordered_map(eval, asked)) == {os.getpid()}
    monkeypatch.setattr(processes, "ALONE", 0.0)
    first, *others = processes.ordered_map(eval, asked)
    assert first == os.getpid()
    assert os.getpid() not in others


def test_workers_import_neither_torch_nor_pyarrow() -> None:
    asked = "(__import__('altool.payloads.pictures'), {'torch', 'pyarrow', 'typer'} & set(__import__('sys').modules))[1]"
    script = f"from altool.engines.processes import ordered_map; print(list(ordered_map(eval, [{asked!r}], 1)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[set()]\n"


def test_items_are_taken_only_as_they_are_needed() -> None:
    taken = []

    def items() -> Iterator[str]:
        for number in range(100):
            taken.append(number)
            yield str(number)

    results = processes.ordered_map(eval, items(), 2)
    assert next(results) == 0
    assert len(taken) <= 4
    results.close()


def test_errors_come_through_and_a_killed_worker_is_explained() -> None:
    with pytest.raises(ZeroDivisionError):
        list(processes.ordered_map(eval, ["1 / 0"], 1))
    with pytest.raises(AltoolError, match="a worker process was killed"):
        list(processes.ordered_map(eval, ["__import__('os').kill(__import__('os').getpid(), 9)"], 1))


def test_workers_do_not_outlive_a_killed_parent(tmp_path: object) -> None:
    import signal

    code = (
        "from altool.engines.processes import ordered_map\n"
        "asked = ['__import__(\"os\").getpid()', '__import__(\"time\").sleep(60)']\n"
        "if __name__ == '__main__':\n"
        "    for pid in ordered_map(eval, asked, 1): print(pid, flush=True)\n"
    )
    script = os.path.join(str(tmp_path), "parent.py")
    with open(script, "w") as file:
        file.write(code)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        os.kill(worker, 0)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    for _ in range(50):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the worker is still there")
