"""The chat page in headless Chromium against a running server: driven by keys, read back through the DevTools protocol.

Skipped where there is no Chromium. INFER_SCREENSHOTS=FOLDER keeps pictures of it, wide and narrow, light and dark.
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.request

import pytest

URL = os.environ["INFER_URL"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCREENSHOTS = os.environ.get("INFER_SCREENSHOTS")


class Page:
    """A tab of a browser of its own."""

    def __init__(self, connection):
        self.connection = connection
        self.number = 0
        self.problems = []
        self.call("Page.enable"), self.call("Runtime.enable"), self.call("Log.enable")

    def call(self, method, **parameters):
        self.number += 1
        self.connection.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.connection.recv(timeout=30))
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            if message.get("method") == "Runtime.exceptionThrown":
                self.problems.append(message["params"]["exceptionDetails"]["text"])
            if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.problems.append(message["params"]["entry"]["text"])

    def value(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, script, seconds=20):
        deadline = time.time() + seconds
        while not self.value(script):
            assert time.time() < deadline, (script, self.value("document.body.innerText"), self.problems)
            time.sleep(0.05)

    def key(self, key, text="", modifiers=0):
        code = {"Enter": 13, "Escape": 27, "Tab": 9}.get(key, 0)
        down = {"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", **down, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", **{**down, "type": "keyUp"})

    def size(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def picture(self, name):
        if not SCREENSHOTS:
            return
        time.sleep(0.2)
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        pathlib.Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        (pathlib.Path(SCREENSHOTS) / (name + ".png")).write_bytes(data)


@pytest.fixture()
def page():
    client = pytest.importorskip("websockets.sync.client")
    if not CHROMIUM:
        pytest.skip("no Chromium here")
    folder = tempfile.mkdtemp()
    browser = subprocess.Popen(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--remote-debugging-port=0", "--user-data-dir=" + folder, "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port_file = pathlib.Path(folder) / "DevToolsActivePort"
        deadline = time.time() + 30
        while not (port_file.exists() and port_file.read_text().strip()):
            assert time.time() < deadline and browser.poll() is None, "Chromium does not start"
            time.sleep(0.1)
        port = port_file.read_text().split()[0]
        tabs = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))
        address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        with client.connect(address, max_size=None) as connection:
            tab = Page(connection)
            tab.size(1200, 800)
            tab.call("Page.navigate", url=URL + "/")
            tab.wait("document.readyState === 'complete' && document.querySelectorAll('#model option').length > 0")
            yield tab
            assert not tab.problems, tab.problems
    finally:
        browser.terminate()
        browser.wait()
        shutil.rmtree(folder, ignore_errors=True)


ANSWERED = "!running && document.querySelectorAll('article.assistant').length === %d"


def fits(page):
    return page.value("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_conversation_by_keys(page):
    page.picture("empty-wide")
    page.value("document.getElementById('max_tokens').value = 60")
    page.call("Input.insertText", text="Speak to me,")
    page.key("Enter", "\r", modifiers=8)
    page.call("Input.insertText", text="my lord.")
    assert page.value("document.getElementById('input').value") == "Speak to me,\nmy lord."
    page.picture("typing-wide")
    page.key("Enter", "\r")
    page.wait(ANSWERED % 1)
    assert page.value("document.querySelector('article.user .text').textContent") == "Speak to me,\nmy lord."
    assert page.value("document.querySelector('article.assistant .text').textContent.trim().length") > 0
    assert page.value("document.querySelectorAll('.error').length") == 0
    assert page.value("document.activeElement.id") == "input"
    page.picture("answer-wide")
    first = page.value("messages.length")
    page.value("document.querySelector('article.assistant .who button').click()")
    page.wait(ANSWERED % 1)
    assert page.value("messages.length") == first
    page.call("Input.insertText", text="And then?")
    page.key("Enter", "\r")
    page.wait(ANSWERED % 2)
    page.size(390, 780, dark=True)
    assert fits(page)
    page.picture("answer-narrow-dark")
    page.value("document.getElementById('clear').click()")
    assert page.value("document.querySelectorAll('article').length") == 0


def test_escape_stops_an_answer(page):
    page.value("document.getElementById('max_tokens').value = 400")
    page.call("Input.insertText", text="Speak to me.")
    page.key("Enter", "\r")
    page.wait("running && messages.length === 2 && messages[1].content.length > 0")
    page.key("Escape")
    page.wait("!running")
    assert page.value("document.getElementById('send').textContent") == "Send"
    assert page.value("messages[1].content.length") > 0


def test_reasoning_is_folded(page):
    page.value("document.getElementById('model').value = 'scripted'")
    page.call("Input.insertText", text="How is it?")
    page.key("Enter", "\r")
    page.wait(ANSWERED % 1)
    assert page.value("document.querySelector('details summary').textContent") == "Reasoning"
    assert page.value("document.querySelector('details').open") is False
    assert page.value("document.querySelector('details div').textContent") == "I need the weather."
    assert page.value("document.querySelector('article.assistant .text').textContent").startswith("Let me see.")
    page.picture("reasoning-wide")


def test_settings_and_errors(page):
    page.size(390, 780)
    page.value("document.getElementById('toggle').click()")
    assert page.value("document.getElementById('toggle').getAttribute('aria-expanded')") == "true"
    assert fits(page)
    page.picture("settings-narrow")
    page.value("document.getElementById('top_p').value = 7")
    page.value("document.getElementById('toggle').click()")
    page.value("document.getElementById('input').focus()")
    page.call("Input.insertText", text="Hello")
    page.key("Enter", "\r")
    page.wait("document.querySelectorAll('.error').length === 1")
    assert "top_p" in page.value("document.querySelector('.error').textContent")
    page.picture("error-narrow")
    # The browser logs the answer's status, which is what was asked for here.
    page.problems = [p for p in page.problems if "400" not in p]


MARKDOWN = """# Heading

A **bold** and *italic* word, `code`, a [link](https://example.org) and <b>no HTML</b>.

- one
- two
  - inner

1. first
2. second

> quoted

| a | b |
|---|---|
| 1 | 2 |

```swift
let answer = 42 // a line that is longer than a narrow screen shows, so that it scrolls by itself
```
"""


def test_markdown(page):
    page.value(
        "messages.push({role: 'user', content: 'Show me.'}, {role: 'assistant', content: %s}); render()"
        % json.dumps(MARKDOWN))
    for selector in ["h2", "strong", "em", "p code", "a[href]", "ul li", "ol li", "blockquote",
                     "table td", "pre code", ".code button"]:
        assert page.value(f"document.querySelectorAll('.text {selector}').length") > 0, selector
    assert page.value("document.querySelectorAll('.text b').length") == 0
    page.picture("markdown-wide")
    page.size(390, 780)
    assert fits(page)
    page.picture("markdown-narrow")
