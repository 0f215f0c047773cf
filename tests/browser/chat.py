"""Headless Chromium with two windows in the chat example, and what becomes of them when it restarts.

Usage: chat.py FOLDER [--screenshot FILE] [--dark]
  FOLDER             holds the examples, such as target/release/examples
  --screenshot FILE  saves a picture of a conversation, a PNG of 1200x800
  --dark             with the dark colours

Prints one line for each step. Exit code: 0 if all is as it should be, 1 otherwise, 3 without
Chromium.
"""

import argparse
import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = 20  # seconds, for everything that is waited for


class Failed(Exception):
    pass


def wait(what, is_so):
    """Until something is so, and what it then is."""
    deadline = time.monotonic() + PATIENCE
    while not (result := is_so()):
        if time.monotonic() > deadline:
            raise Failed(f"waited {PATIENCE} s for {what}")
        time.sleep(0.05)
    return result


def end(process, ask):
    """The exit code of a process of ours that is asked to end, and has to if it does not."""
    if process.poll() is None:
        ask()
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


class Server:
    def __init__(self, folder, port=0):
        self.process = subprocess.Popen(
            [os.path.join(folder, "chat"), "--listen", f"127.0.0.1:{port}"],
            stdout=subprocess.PIPE, bufsize=0,
        )
        self.url = self.first_line().removeprefix("listening on ")
        if not self.url.startswith("http://127.0.0.1:"):
            self.stop()
            raise Failed(f"the server did not say where it listens: {self.url!r}")
        self.port = int(self.url.rstrip("/").rsplit(":", 1)[1])

    def first_line(self):
        line, deadline = b"", time.monotonic() + PATIENCE
        while not line.endswith(b"\n"):
            left = max(0, deadline - time.monotonic())
            if not select.select([self.process.stdout], [], [], left)[0]:
                break
            if not (byte := self.process.stdout.read(1)):
                break
            line += byte
        return line.decode().strip()

    def stop(self):
        code = end(self.process, lambda: self.process.send_signal(signal.SIGINT))
        self.process.stdout.close()
        return code


class Browser:
    """Chromium, and its DevTools protocol over a pair of pipes: JSON with a zero byte behind it."""

    def __init__(self, chromium, profile):
        theirs_in, self.to = os.pipe()
        self.come, theirs_out = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4; ours move out of the way of these.
        theirs = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in (theirs_in, theirs_out)]
        os.close(theirs_in)
        os.close(theirs_out)
        self.process = subprocess.Popen(
            [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-dev-shm-usage", "--disable-background-timer-throttling",
             "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
             "--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False,
            preexec_fn=lambda: [os.dup2(one, at) for one, at in zip(theirs, (3, 4))],
        )
        for one in theirs:
            os.close(one)
        self.last, self.rest, self.answers, self.frames = 0, b"", {}, {}

    def call(self, method, session=None, **params):
        """What the browser answers to a command."""
        self.last += 1
        command = {"id": self.last, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        os.write(self.to, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while self.last not in self.answers:
            self.read(deadline - time.monotonic(), method)
        answer = self.answers.pop(self.last)
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def read(self, seconds, method):
        if seconds <= 0 or not select.select([self.come], [], [], seconds)[0]:
            raise Failed(f"Chromium did not answer {method}")
        some = os.read(self.come, 1 << 16)
        if not some:
            raise Failed("Chromium ended")
        *messages, self.rest = (self.rest + some).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self.answers[message["id"]] = message
            elif message["method"] == "Network.webSocketFrameReceived":
                frame = message["params"]["response"]["payloadData"]
                self.frames.setdefault(message["sessionId"], []).append(frame)

    def close(self):
        os.close(self.to)  # Chromium ends when nobody can command it any more
        end(self.process, lambda: None)
        os.close(self.come)


class Window:
    """A window of its own with the chat in it, for one user."""

    def __init__(self, browser, url, name, theme):
        self.browser, self.name = browser, name
        target = browser.call("Target.createTarget", url="about:blank", newWindow=True)["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        self.call("Network.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.call("Emulation.setDeviceMetricsOverride", width=1200, height=800, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.call("Page.navigate", url=url)
        self.wait("the page", "document.readyState === 'complete' && !!document.querySelector('#name')")

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise Failed(f"{self.name}: {expression}: {answer['exceptionDetails']['text']}")
        return answer["result"].get("value")

    def wait(self, what, expression):
        return wait(f"{what} in {self.name}'s window", lambda: self.value(expression))

    def click(self, selector):
        """A real click, in the middle of an element that can be clicked there."""
        where = json.loads(self.wait(f"{selector} to click", f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            if (!element || element.disabled) return null;
            element.scrollIntoView({{ block: "nearest" }});
            const {{ x, y, width, height }} = element.getBoundingClientRect();
            const middle = {{ x: x + width / 2, y: y + height / 2 }};
            const top = document.elementFromPoint(middle.x, middle.y);
            return width && element.contains(top) ? JSON.stringify(middle) : null;
        }})()"""))
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **where)

    def type(self, selector, text):
        self.click(selector)
        self.call("Input.insertText", text=text)

    def press_enter(self):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter",
                      windowsVirtualKeyCode=13, text="\r" if kind == "keyDown" else "")

    def enter(self):
        self.type("#name", self.name)
        self.click("#enter")
        self.state("open")

    def state(self, state):
        self.wait(f"the state {state}", f"document.querySelector('#state').dataset.state === '{state}'")

    def join(self, room):
        self.type("#room", room)
        self.click("#join")
        self.wait(f"#{room}", f"!!document.querySelector('[data-room={room}][aria-current]')")

    def say(self, text, click=False):
        self.type("#text", text)
        if click:
            self.click("#send")
        else:
            self.press_enter()

    def sees(self, name, text):
        """A message of a user that is, as text, just this."""
        self.wait(f"{text!r} of {name}", f"""
            [...document.querySelectorAll("#messages [data-from={name}] .bubble")]
                .some((bubble) => bubble.textContent === {json.dumps(text)})""")

    def notices(self, text):
        self.wait(f"the notice {text!r}", f"""
            [...document.querySelectorAll("#messages .notice")]
                .some((notice) => notice.textContent === {json.dumps(text)})""")

    def members(self, *names):
        self.wait(f"the members {names}", f"""
            JSON.stringify([...document.querySelectorAll("[data-member]")].map((one) => one.dataset.member))
                === {json.dumps(json.dumps(names, separators=(",", ":")))}""")

    def was_sent(self, text):
        """Whether the server sent this at all, whatever the page made of it."""
        return any(text in frame for frame in self.browser.frames.get(self.session, []))

    def picture(self, file):
        time.sleep(0.5)  # until nothing moves any more
        with open(file, "wb") as png:
            png.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


def converse(ada, grace):
    """What the picture shows."""
    for window, text in (
        (ada, "Good morning! Did the new server survive the night?"),
        (grace, "It did, and it hardly noticed us."),
        (grace, "I restarted it twice to be sure, and everybody came back."),
        (ada, "So that was the little “Connection lost” I saw up there."),
        (ada, "It was gone before I had finished reading it."),
        (grace, "That is how it should be."),
    ):
        window.say(text)
        for other in (ada, grace):
            other.sees(window.name, text)


def check(folder, servers, browser, options):
    def step(words):
        print(f"ok: {words}", flush=True)

    servers.append(Server(folder))
    page = f"{servers[0].url}?quick"
    theme = "dark" if options.dark else "light"
    ada, grace = (Window(browser, page, name, theme) for name in ("Ada", "Grace"))

    for window in (ada, grace):
        window.enter()
    step("two windows entered their names")

    ada.join("lobby")
    ada.members("Ada")
    grace.wait("the room in the list", "!!document.querySelector('[data-room=lobby]')")
    grace.click("[data-room=lobby]")
    for window in (ada, grace):
        window.members("Ada", "Grace")
    ada.notices("Grace joined")
    step("one opened a room, the other saw it in the list and joined")

    if options.screenshot:
        grace.join("rust")
        grace.join("garden")
        grace.click("[data-room=lobby]")
        converse(ada, grace)
        ada.picture(options.screenshot)
        step(f"a picture of their conversation: {options.screenshot}")

    ada.say("Hello, Grace", click=True)
    for window in (ada, grace):
        window.sees("Ada", "Hello, Grace")
    step("one spoke, and both see it")

    marked = '<b>bold</b> & &amp; "quoted"; <img src=x onerror=alert(1)> é 😀'
    grace.say(marked)
    for window in (ada, grace):
        window.sees("Grace", marked)
        if window.value("document.querySelectorAll('#messages b:not(.by b), #messages img').length"):
            raise Failed("a text was read as HTML")
    step("a text with HTML in it is text")

    grace.click("#leave")
    ada.notices("Grace left")
    ada.members("Ada")
    ada.say("Now I am alone")
    ada.sees("Ada", "Now I am alone")
    # What the server sends to Grace next comes behind all that it sent before.
    grace.join("attic")
    if grace.was_sent("Now I am alone") or not ada.was_sent("Now I am alone"):
        raise Failed("what was said reached one who had left, or not one who was there")
    step("one left, the other saw it, and what was said then did not reach the one who left")

    grace.click("[data-room=lobby]")
    grace.sees("Ada", "Now I am alone")
    for window in (ada, grace):
        window.members("Ada", "Grace")
    step("the one who came back sees the history")

    if (code := servers[0].stop()) != 0:
        raise Failed(f"the server ended with {code} after SIGINT")
    for window in (ada, grace):
        window.state("waiting")
        window.wait("the countdown", "/\\d+ s/.test(document.querySelector('#countdown').textContent)")
    step("the server was stopped, and both wait")

    servers.append(Server(folder, servers[0].port))
    for window in (ada, grace):
        window.state("open")
    for window in (ada, grace):
        window.members("Ada", "Grace")
    grace.say("Here again")
    ada.say("So am I")
    for window in (ada, grace):
        window.sees("Grace", "Here again")
        window.sees("Ada", "So am I")
        window.sees("Ada", "Hello, Grace")
    step("the server started again, and both came back to their room and talk")

    if (code := servers[1].stop()) != 0:
        raise Failed(f"the server ended with {code} after SIGINT")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.partition("Usage: ")[2])
    parser.add_argument("folder")
    parser.add_argument("--screenshot")
    parser.add_argument("--dark", action="store_true")
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("there is no Chromium here", file=sys.stderr)
        return 3
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what we started ends, too
    servers = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(chromium, profile)
        try:
            check(options.folder, servers, browser, options)
        except (Failed, OSError) as error:
            print(f"FAILED: {error}")
            return 1
        finally:
            browser.close()
            for server in servers:
                if server.process.poll() is None:
                    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
