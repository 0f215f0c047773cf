#!/usr/bin/env bash
# Runs the examples against programs of others, which it installs, as servers and as clients, and
# our client against our servers. Prints one line for each pair. Exit code: 0 if all of it works.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
interop=$target/interop
python=$interop/python3/bin/python
examples=(echo echo_frames echo_helpers echo_reader echo_tokio echo_epoll fragments)
peers=(websockets ws tungstenite)

mkdir -p "$interop"
if ! "$python" -c 'import websockets' 2>/dev/null; then
  echo "installing Python's websockets …"
  python3 -m venv "$interop/python3"
  "$python" -m pip install --quiet websockets
fi
if ! { command -v node && command -v npm; } > /dev/null; then
  echo "skipped: ws, as Node or npm is not here"
  peers=(websockets tungstenite)
elif [ ! -d "$interop/node/node_modules/ws" ]; then
  echo "installing npm's ws …"
  npm install --prefix "$interop/node" --silent --no-audit --no-fund ws@8
fi
CARGO_TARGET_DIR=$interop/tungstenite cargo build --quiet --release --locked \
  --manifest-path tests/interop/tungstenite/Cargo.toml
cargo build --quiet --release --examples

server="" failures=0
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true' EXIT
# start COMMAND ...: starts a server on any port; its address is in $url afterwards.
start() {
  # Before it is looked at, which may be before the server writes to it.
  : > "$interop/server.log"
  "$@" > "$interop/server.log" 2>&1 &
  server=$! url=""
  for _ in $(seq 100); do
    url=$(sed -n 's/^listening on \(ws:.*\)$/\1/p' "$interop/server.log")
    [ -n "$url" ] && return
    sleep 0.1
  done
  echo "error: $* did not start: $(cat "$interop/server.log")" >&2
  exit 1
}
start_example() { start "$target/release/examples/$1" --listen 127.0.0.1:0 "${@:2}"; }
# Ends the server as Ctrl-C does, which is a clean end.
stop() {
  { kill -INT "$server" && wait "$server"; } || fail "not a clean end: $(cat "$interop/server.log")"
  server=""
}
fail() { printf 'FAILED: %s\n' "$*"; failures=$((failures + 1)); }

echo_client() { timeout 60 "$target/release/examples/echo_client" "$@" 2>&1; }
ws_client() { timeout 60 "$target/release/examples/ws_client" "$@" 2>&1; }
# Says hello, sends pings, and closes; of the pongs the first is enough.
chat() { { echo hello; sleep 0.5; } | ws_client --ping 0.1 "$1" | grep -v '^pong [1-9]'; }

# choose PEER: its command, which takes a role and more; echo.py says what.
choose() {
  peer=$1
  case $peer in
    websockets) command=("$python" tests/interop/echo.py) ;;
    ws) command=(env NODE_PATH="$interop/node/node_modules" node tests/interop/echo.mjs) ;;
    tungstenite) command=("$interop/tungstenite/release/interop-tungstenite") ;;
  esac
  command=(timeout 60 "${command[@]}")
}

# connect EXAMPLE [COMPRESSION]: the peer checks this server, which runs.
connect() {
  local said
  if said=$("${command[@]}" client "$url" "${@:2}" 2>&1); then
    echo "$peer connects to $*: $said"
  else
    fail "$peer connects to $*: exit code $?, and $1 said: $(cat "$interop/server.log")"$'\n'"$said"
  fi
}

# serve HOW CLIENT EXPECTED: the peer serves this client of ours, which is to say what is expected.
serve() {
  local said status=0
  # How may be two words, the second one the compression.
  start "${command[@]}" server $1
  said=$("$2" "$url"; echo "exit code $?")
  wait "$server" || status=$?
  server=""
  if [ "$status" = 0 ] && [ "$said" = "$3" ]; then
    echo "$peer serves $2: $(tail -n 1 "$interop/server.log")"
  else
    fail "$peer serves $2: exit code $status: $(cat "$interop/server.log")"
    printf '%s is to say:\n%s\nand said:\n%s\n' "$2" "$3" "$said"
  fi
}

for example in "${examples[@]}"; do
  start_example "$example"
  for peer in "${peers[@]}"; do
    choose "$peer"
    connect "$example"
  done
  stop
done
for peer in "${peers[@]}"; do
  choose "$peer"
  serve check echo_client 'exit code 0'
  serve invalid echo_client \
    $'error: peer broke the protocol: text message is not valid UTF-8\nexit code 1'
  serve drop echo_client $'error: peer went without a close frame\nexit code 1'
  serve echo chat $'connected\nhello\npong 0\nclosed: 1000 (normal closure) \nexit code 0'
done

# Compression: what each side asks for, with what the other does.
for peer in websockets ws; do
  [[ " ${peers[*]} " = *" $peer "* ]] || continue
  choose "$peer"
  for example in "echo --takeover" "echo_tokio --deflate" "echo_epoll --takeover --window-bits 10" \
    echo_deflate_stream; do
    start_example $example
    for compression in alone takeover bits; do connect "$example" "$compression"; done
    stop
  done
  for compression in alone takeover bits; do
    for options in "--takeover" "--deflate" "--takeover --window-bits 11"; do
      compressing_client() { echo_client $options "$1"; }
      serve "check $compression" compressing_client 'exit code 0'
    done
  done
done

expect() { [ "$1" = "$2" ] || fail "$(printf 'expected:\n%s\ngot:\n%s\n' "$1" "$2")"; }
start_example echo_frames
expect $'connected\nhello\nwörld\nclosed: 1000 (normal closure) ' \
  "$(printf 'hello\nwörld\n' | ws_client "$url")"
stop
start_example upgrade
said=$(sleep 2 | ws_client --header 'Cookie: user=ada' --subprotocol greeting "$url")
expect $'connected, subprotocol greeting\nhello, ada\nclosed: 1000 (normal closure) bye' "$said"
said=$(ws_client --header 'Cookie: nonsense' "$url" < /dev/null || true)
expect 'error: response not accepted: upgrade refused: server answered 400 Bad Request instead of 101' "$said"
stop

if [ "$failures" -gt 0 ]; then
  echo "$failures failed"
  exit 1
fi
echo "ws_client: echo, greeting and refusal are as they should be"
