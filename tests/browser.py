"""Headless Chromium by its DevTools protocol over a pipe: no driver, no library. `Browser(folder)` downloads into that folder."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 30  # seconds
KEYS = {" ": "Space", "Enter": "Enter", "ArrowLeft": "ArrowLeft", "ArrowRight": "ArrowRight", "ArrowDown": "ArrowDown", "Escape": "Escape"}
TYPED = {" ": " ", "Enter": "\r"}
CODES = {" ": 32, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39, "ArrowDown": 40, "Escape": 27}


class Browser:
    """One page of a browser with a fresh profile in `folder`, to which it downloads."""

    def __init__(self, folder: Path) -> None:
        assert PROGRAM is not None
        self.folder = folder
        to_browser, from_browser = os.pipe(), os.pipe()
        command = [PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        command += ["--remote-debugging-pipe", "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}", "about:blank"]
        script = f'exec "$@" 3<&{to_browser[0]} 4>&{from_browser[1]}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command], pass_fds=(to_browser[0], from_browser[1]), stderr=subprocess.DEVNULL
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        self._out, self._in = open(to_browser[1], "wb"), open(from_browser[0], "rb")  # noqa: SIM115 (closed in __exit__)
        self._number, self._session = 0, ""
        self.events: list[dict[str, Any]] = []  # what the page said: console messages, errors, refusals of its policy
        page = next(one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder), at_browser=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.call("Browser.close", at_browser=True)
        finally:
            for stream in (self._out, self._in):
                stream.close()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def call(self, method: str, *, at_browser: bool = False, **parameters: Any) -> dict[str, Any]:
        """The result of a command. Events that come before it are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session and not at_browser:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _receive(self) -> dict[str, Any]:
        content = bytearray()
        while (byte := self._in.read(1)) != b"\0":
            assert byte, "the browser has ended"
            content += byte
        return json.loads(content)

    def open(self, path: Path) -> None:
        """Load a file."""
        self._load("Page.navigate", url=path.resolve().as_uri())

    def reload(self, **kept: str) -> None:
        """Load the page again with what the browser keeps for it, and with these items.

        The items are set in the new document before the page's own scripts: what the old one has set may reach the browser's storage
        after the new one has read it, where a script is faster than a person.
        """
        items = json.dumps({**self.run("({...localStorage})"), **kept})
        script = f"localStorage.clear(); Object.assign(localStorage, {items})"
        added = self.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        self._load("Page.reload")
        self.call("Page.removeScriptToEvaluateOnNewDocument", **added)

    def _load(self, method: str, **parameters: Any) -> None:
        self.call(method, **parameters)
        before = len(self.events)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events[before:]):
            self.events.append(self._receive())

    def run(self, script: str) -> Any:
        """The value of an expression, or of a promise."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def text(self, selector: str) -> str:
        """What is read in an element."""
        return self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element."""
        self.run(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        box = self.run(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **place)

    def press(self, *keys: str, control: bool = False) -> None:
        """Press keys, one after another."""
        for key in keys:
            code = KEYS.get(key) or (f"Digit{key}" if key.isdigit() else f"Key{key.upper()}")
            facts: dict[str, Any] = {"key": key, "code": code, "modifiers": 2 if control else 0}
            facts["windowsVirtualKeyCode"] = CODES.get(key) or ord(key.upper())
            typed = TYPED.get(key, key if len(key) == 1 else "")
            self.call("Input.dispatchKeyEvent", type="keyDown", text="" if control else typed, **facts)
            self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def type(self, text: str) -> None:
        """Write a text into what has the focus."""
        self.call("Input.insertText", text=text)

    def size(self, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
        """The size of the window in pixels, of a phone with a finger for a pointer, and the colors that the person likes."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save a screenshot."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def downloaded(self, pattern: str) -> Path:
        """The file of this name once it is there; the name is free again."""
        end = time.monotonic() + PATIENCE
        while not (found := sorted(self.folder.glob(pattern))):
            assert time.monotonic() < end, f"no {pattern} was downloaded"
            time.sleep(0.02)
        return found[0]

    def errors(self) -> list[str]:
        """What went wrong in the page so far: exceptions, and what its policy refused."""
        found = [json.dumps(event) for event in self.events if event.get("method") == "Runtime.exceptionThrown"]
        logged = [event["params"]["entry"] for event in self.events if event.get("method") == "Log.entryAdded"]
        return found + [entry["text"] for entry in logged if entry["level"] in ("error", "warning")]
