#!/usr/bin/env bash
# Runs the example servers against clients of others, which it installs, and our client against
# our servers. Exit code: 0 if all of it works.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
python=$target/interop/python3/bin/python
if ! "$python" -c 'import websockets' 2>/dev/null; then
  echo "installing Python's websockets …"
  python3 -m venv "$target/interop/python3"
  "$target/interop/python3/bin/pip" install --quiet websockets
fi
cargo build --quiet --release --examples

server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true' EXIT
# start EXAMPLE: starts it on any port; its address is in $url afterwards.
start() {
  "$target/release/examples/$1" --listen 127.0.0.1:0 > "$target/interop/$1.log" 2>&1 &
  server=$! url=""
  for _ in $(seq 100); do
    url=$(sed -n 's/^listening on \(ws:.*\)$/\1/p' "$target/interop/$1.log")
    [ -n "$url" ] && return
    sleep 0.1
  done
  echo "error: $1 did not start" >&2
  exit 1
}
# Ends the server as Ctrl-C does, which is a clean end.
stop() { kill -INT "$server"; wait "$server"; server=""; }
client() { "$target/release/examples/ws_client" "$@" 2>&1; }
expect() { [ "$1" = "$2" ] || { printf 'expected:\n%s\ngot:\n%s\n' "$1" "$2" >&2; exit 1; }; }

start echo_frames
timeout 120 "$python" tests/interop/echo.py "$url"
expect $'connected\nhello\nwörld\nclosed: 1000 (normal closure) ' "$(printf 'hello\nwörld\n' | client "$url")"
stop

start upgrade
said=$(sleep 2 | client --header 'Cookie: user=ada' --subprotocol greeting "$url")
expect $'connected, subprotocol greeting\nhello, ada\nclosed: 1000 (normal closure) bye' "$said"
said=$(client --header 'Cookie: nonsense' "$url" < /dev/null || true)
expect 'error: response not accepted: upgrade refused: server answered 400 Bad Request instead of 101' "$said"
stop
echo "ws_client: echo, greeting and refusal are as they should be"
