"""Headless Chromium against our echo servers, with and without compression.

Usage: run.py FOLDER  where FOLDER holds the examples, such as target/release/examples

Serves a page that connects to a server, sends texts and bytes, and says what came back. Prints one
line for each server. Exit code: 0 if all is as it should be, 1 otherwise, 3 without Chromium.
"""

import http.server
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

PAGE = """<!doctype html>
<meta charset="utf-8">
<script type="module">
const socket = new WebSocket(new URLSearchParams(location.search).get("url"));
socket.binaryType = "arraybuffer";
const noise = new Uint8Array(70_000);
for (let at = 0; at < noise.length; at += 10_000) crypto.getRandomValues(noise.subarray(at, at + 10_000));
const said = ["Hello", "", "wörld ".repeat(10_000), noise, new Uint8Array(1 << 20), "behind ".repeat(100)];
const same = (one, other) => typeof one === "string" ? one === other
  : one.byteLength === other.byteLength
    && new Uint8Array(other).every((byte, at) => byte === one[at]);
const tell = (result) => fetch("/result", { method: "POST", body: JSON.stringify(result) });
let back = 0;
socket.onopen = () => said.forEach((message) => socket.send(message));
socket.onmessage = ({ data }) => {
  if (!same(said[back], data)) return tell({ error: `message ${back} came back changed` });
  back += 1;
  if (back === said.length) socket.close(4000, "enough");
};
socket.onclose = ({ code, wasClean }) =>
  tell({ back, code, wasClean, extensions: socket.extensions });
</script>
"""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = PAGE.encode() if self.path.startswith("/?") else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.server.result = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.done.set()

    def log_message(self, *_):
        pass


def visit(chromium, url):
    """What the page says of the server at this address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as page:
        page.result, page.done = None, threading.Event()
        threading.Thread(target=page.serve_forever, daemon=True).start()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            browser = subprocess.Popen(
                [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                 "--disable-dev-shm-usage", f"--user-data-dir={profile}",
                 f"http://127.0.0.1:{page.server_port}/?url={url}"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            try:
                page.done.wait(60)
            finally:
                browser.terminate()
                browser.wait()
        page.shutdown()
        return page.result or {"error": "the page said nothing for a minute"}


def check(chromium, folder, example, *options):
    command = [f"{folder}/{example}", "--listen", "127.0.0.1:0", *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip().removeprefix("listening on ")
        result = visit(chromium, url)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
    extensions = result.get("extensions", "")
    name = " ".join([example, *options])
    agreed = extensions.startswith("permessage-deflate") == bool(options)
    is_ok = agreed and (result.get("back"), result.get("code")) == (6, 4000) and result["wasClean"]
    if is_ok:
        print(f"Chromium and {name}: all came back, extensions: {extensions or 'none'}")
    else:
        print(f"FAILED: Chromium and {name}: {result}")
    return is_ok


if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
    sys.exit(__doc__)
chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if chromium is None:
    print("there is no Chromium here", file=sys.stderr)
    sys.exit(3)
checks = [
    check(chromium, sys.argv[1], *server)
    for server in (
        ("echo",),
        ("echo", "--deflate"),
        ("echo", "--takeover"),
        ("echo_tokio", "--takeover", "--window-bits", "9"),
        ("echo_epoll", "--takeover", "--level", "9"),
    )
]
sys.exit(0 if all(checks) else 1)
