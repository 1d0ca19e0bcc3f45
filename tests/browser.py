"""A browser without a window, asked through a pipe by its own protocol (Chrome DevTools)."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time

import pytest

#: Gives the browser its pipes where it looks for them, as 3 and 4.
_PIPED = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 20) for number in sys.argv[1:3]]
os.dup2(pipes[0], 3)
os.dup2(pipes[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page in headless Chromium, with all that it asks the network for and all that it complains about."""

    def __init__(self, folder):
        program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        if program is None:
            pytest.skip("no Chromium here: no page is opened in a browser (`make chromium` installs it)")
        there, back = os.pipe(), os.pipe()
        flags = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --remote-debugging-pipe --no-first-run"
        flags += f" --user-data-dir={folder} --window-size=1000,900 about:blank"
        command = [sys.executable, "-c", _PIPED, str(there[0]), str(back[1]), program, *flags.split()]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, pass_fds=(there[0], back[1]), **quiet)
        os.close(there[0])
        os.close(back[1])
        self.there, self.back, self.seen, self.count, self.events = there[1], back[0], b"", 0, []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    session = None

    def ask(self, method, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.there, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.seen:
                self.seen += os.read(self.back, 1 << 20) or pytest.fail("the browser ended")
            one, _, self.seen = self.seen.partition(b"\0")
            answer = json.loads(one)
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, place):
        """A file's path, or an address."""
        url = place if isinstance(place, str) else place.as_uri()
        self.ask("Page.navigate", url=url)
        self.until(f"document.readyState === 'complete' && location.protocol === {url.partition('//')[0]!r}")

    def until(self, expression, seconds=5):
        """Wait for something to be true; gives its value."""
        for _ in range(round(20 * seconds)):
            if found := self.value(expression):
                return found
            time.sleep(0.05)
        pytest.fail(f"never came true: {expression}; the page says: {self.value('document.body.innerText')}")

    def choose_file(self, selector, *paths):
        """As a person chooses files, or drops them."""
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def resize(self, width, height):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))

    def asked_for(self):
        """Every address that was asked for, but for what the page itself holds."""
        sent = (e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent")
        return {url for url in sent if not url.startswith(("data:", "blob:"))}

    def value(self, expression):
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def mouse(self, kind, x, y):
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def key(self, key, code):
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if len(key) == 1 and kind == "keyDown" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)

    def close(self):
        self.session = None
        with contextlib.suppress(Exception):
            self.ask("Browser.close")
        os.close(self.there)
        os.close(self.back)
        self.process.wait(20)
