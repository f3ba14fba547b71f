"""One headless Chromium for the whole suite, spoken to over a pipe in the DevTools protocol."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from queuack_viz.vendored import mermaid_script

BUILD = Path(__file__).parents[3] / "build" / "viz"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)

DRAW = """
async ({text, background}) => {
  document.body.style.background = background;
  document.body.innerHTML = '<div id="stage"></div>';
  try {
    await mermaid.parse(text);
    const {svg} = await mermaid.render('drawn', text);
    document.getElementById('stage').innerHTML = svg;
  } catch (error) {
    return {error: String(error && error.message || error)};
  }
  const texts = (css) => [...document.querySelectorAll(css)].map((e) => {
    const copy = e.cloneNode(true);
    copy.querySelectorAll('br').forEach((br) => br.replaceWith('\\n'));
    return copy.textContent.replaceAll('\\u2060', '');
  });
  const box = document.querySelector('#stage svg').getBoundingClientRect();
  return {
    error: null,
    labels: texts('#stage .node .nodeLabel'),
    groups: texts('#stage .cluster .nodeLabel'),
    edges: document.querySelectorAll('#stage path.flowchart-link').length,
    bars: texts('#stage .taskText, #stage .taskTextOutsideRight, #stage .taskTextOutsideLeft'),
    sections: texts('#stage .sectionTitle'),
    width: box.width,
    height: box.height,
  };
}
"""


class Browser:
    """A Chromium process and the one page it shows."""

    def __init__(self, binary: str, profile: Path) -> None:
        to_child, self._write = os.pipe()
        self._read, from_child = os.pipe()
        # Moved out of the way, so that neither end is overwritten when the child gets them as 3 and 4.
        far = [fcntl.fcntl(fd, fcntl.F_DUPFD, 64) for fd in (to_child, from_child)]

        def hand_over() -> None:
            os.dup2(far[0], 3)
            os.dup2(far[1], 4)

        self._process = subprocess.Popen(
            [binary, *FLAGS, f"--user-data-dir={profile}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(3, 4),
            preexec_fn=hand_over,
        )
        for fd in (to_child, from_child, *far):
            os.close(fd)
        self._buffer = b""
        self._ids = itertools.count(1)
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.call("Page.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One DevTools command and its answer; events on the way are dropped."""
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._send(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def wait_for(self, event: str) -> None:
        while self._receive().get("method") != event:
            pass

    def _send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._write, data) :]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._read, 1 << 16)
            assert chunk, "Chromium went away"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def evaluate(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """Chromium ends by itself when its pipe does; the signal is for one that hangs."""
        os.close(self._write)
        os.close(self._read)
        self._process.terminate()
        self._process.wait(timeout=30)


class Canvas:
    """The page in which real Mermaid draws a text and says what it drew."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        browser.open("about:blank")
        browser.resize(1280, 720)
        browser.evaluate(mermaid_script() + "\n;0")
        browser.evaluate("mermaid.initialize({startOnLoad: false, securityLevel: 'strict'})")

    def draw(self, text: str, *, background: str = "#ffffff", shot: str | None = None) -> dict[str, Any]:
        """What Mermaid drew of `text`; `shot` names the picture kept in build/viz."""
        order = json.dumps({"text": text, "background": background})
        drawn: dict[str, Any] = self._browser.evaluate(f"({DRAW})({order})")
        if shot and not drawn["error"]:
            self._browser.resize(1280, max(240, int(drawn["height"]) + 24))
            self._browser.screenshot(BUILD / f"{shot}.png")
        return drawn


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        pytest.skip("chromium not installed")
    opened = Browser(binary, tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def canvas(browser: Browser) -> Canvas:
    return Canvas(browser)
