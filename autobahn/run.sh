#!/usr/bin/env bash
# Runs the Autobahn test suite, which it installs, and says how each driver fares.
set -euo pipefail

help() {
  cat <<'END'
Usage: autobahn/run.sh server|client|all [DRIVER ...] [--cases LIST | --sample]

Runs the Autobahn test suite against our servers, our clients or both, and prints one line for
each driver: OK, INFORMATIONAL and whatever else there is. Reports are in autobahn/reports.

  DRIVER        frames, helpers, connection or tokio, and as a server only reader, epoll, flate or
                wsserver; all of them if none is named
  --cases LIST  cases, separated by commas [default: 1 to 10 for frames, helpers and reader, 12 and 13
                for flate, and all for connection, tokio, epoll and wsserver]
  --sample      of the 216 cases with compression, which take some 7 minutes for each driver, only 60
  -h, --help    this text

Exit code: 0 if every case of every driver is OK (7.1.6, 7.13.1 and 7.13.2 may be INFORMATIONAL),
1 if one is not, 2 for a wrong command line, 3 if the suite cannot be installed here.
END
}

cd "$(dirname "$0")/.."
reports=$PWD/autobahn/reports
target=${CARGO_TARGET_DIR:-$PWD/target}
suite=$target/autobahn
server_drivers=(frames helpers reader flate connection tokio epoll wsserver)
client_drivers=(frames helpers connection tokio)

role="" wanted="" drivers=()
uncompressed="1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*" compressed="12.*,13.*"
while [ $# -gt 0 ]; do
  case $1 in
    -h|--help) help; exit 0 ;;
    --cases) wanted=${2:?--cases needs a list}; shift ;;
    --sample)
      compressed=$(printf '%s,' {12.{1..5},13.{1..7}}.{2,6,10,14,17})
      compressed=${compressed%,} ;;
    server|client|all) role=$1 ;;
    *) if [[ " ${server_drivers[*]} " = *" $1 "* ]]; then drivers+=("$1"); else echo "error: what is $1? --help says more" >&2; exit 2; fi ;;
  esac
  shift
done
[ -n "$role" ] || { help >&2; exit 2; }
[ ${#drivers[@]} -gt 0 ] || drivers=("${server_drivers[@]}")

# The suite is a program for Python 2.7.
install_suite() {
  [ -x "$suite/wstest/bin/wstest" ] && return
  local python2
  # pyenv's own python2.7 on the path is only a stand-in, which may not lead anywhere.
  for python2 in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7 "$(command -v python2.7)" ""; do
    [ -z "$python2" ] || "$python2" -c '' 2>/dev/null && break
  done
  if [ -z "$python2" ]; then
    echo "error: the Autobahn test suite needs Python 2.7, which is not here; pyenv installs it: pyenv install 2.7.18" >&2
    exit 3
  fi
  echo "installing the Autobahn test suite …"
  rm -rf "$suite" && mkdir -p "$suite"
  { python3 -m venv "$suite/python3" &&
    "$suite/python3/bin/pip" install --quiet 'virtualenv<20.22' &&
    "$suite/python3/bin/virtualenv" --quiet -p "$python2" "$suite/wstest" &&
    "$suite/wstest/bin/pip" install --quiet autobahntestsuite==0.8.2 autobahn==0.10.9 wsaccel==0.6.2; } > "$suite/install.log" 2>&1 ||
    { tail -n 20 "$suite/install.log" >&2; echo "error: the suite was not installed" >&2; rm -rf "$suite/wstest"; exit 3; }
}

# Ends what this script started, whatever happens.
started=()
stop() { for pid in "${started[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done; started=(); }
trap stop EXIT
trap 'exit 130' INT TERM

# Shows the case that runs, where somebody looks.
progress() {
  if [ -t 1 ]; then
    tr '\r' '\n' | awk '{ if (match($0, /(test )?case (ID )?[0-9.]+/)) printf "\r\033[K%s", substr($0, RSTART, RLENGTH) } END { printf "\r\033[K" }'
  else
    cat > /dev/null
  fi
}

# specification KEY=VALUE…: the suite's settings as JSON.
specification() {
  python3 - "$cases" "$@" <<'END'
import json, sys
spec = {"cases": sys.argv[1].split(","), "exclude-cases": [], "exclude-agent-cases": {}}
for pair in sys.argv[2:]:
    key, value = pair.split("=", 1)
    spec[key] = json.loads(value) if value.startswith("[") else value
print(json.dumps(spec))
END
}

# verdict NAME REPORTS: one line, and whether it is at the bar.
verdict() {
  python3 - "$@" <<'END'
import collections, json, os, sys
name, folder = sys.argv[1:]
path = os.path.join(folder, "index.json")
if not os.path.exists(path):
    sys.exit(print(f"{name}: no report") or 1)
(cases,) = json.load(open(path)).values()
informational = {"7.1.6", "7.13.1", "7.13.2"}
def grade(case, result):
    grades = {result["behavior"], result["behaviorClose"]}
    if case in informational and grades <= {"OK", "INFORMATIONAL"}:
        return max(grades, key="INFORMATIONAL".__eq__)
    return next((grade for grade in sorted(grades) if grade != "OK"), "OK")
graded = {case: grade(case, result) for case, result in cases.items()}
counts = collections.Counter(graded.values())
bad = [case for case, grade in graded.items() if grade != "OK" and not (grade == "INFORMATIONAL" and case in informational)]
said = ", ".join(f"{count} {grade}" for grade, count in sorted(counts.items(), key=lambda item: -item[1]))
print(f"{name}: {len(cases)} cases: {said}" + (f"; not at the bar: {' '.join(bad[:20])}" if bad else ""))
sys.exit(1 if bad or not cases else 0)
END
}

test_server() {
  local driver=$1 out=$reports/server-$1 log=$reports/server-$1.log
  rm -rf "$out" "$log" && mkdir -p "$out" && : > "$log"
  local program=(autobahn_server)
  # A server of its own; the suite sends messages of 16 MiB.
  [ "$driver" != wsserver ] || program=(wsserver_echo --takeover --threads 2 --max-message $((16 << 20)))
  "$target/release/examples/${program[0]}" "${program[@]:1}" --listen 127.0.0.1:0 > "$log" 2>&1 &
  started+=($!)
  local address=""
  for _ in $(seq 100); do
    address=$(sed -n 's/^listening on \(ws:.*\)$/\1/p' "$log")
    [ -n "$address" ] && break
    sleep 0.1
  done
  [ -n "$address" ] || { echo "error: the server did not start" >&2; cat "$log" >&2; return 1; }
  specification "outdir=$out" "servers=[{\"agent\": \"$driver\", \"url\": \"$address$driver\"}]" > "$out/spec.json"
  "$suite/wstest/bin/wstest" -m fuzzingclient -s "$out/spec.json" 2>&1 | tee "$out/suite.log" | progress || true
  stop
  verdict "server $driver" "$out"
}

test_client() {
  local driver=$1 out=$reports/client-$1
  rm -rf "$out" && mkdir -p "$out"
  local port
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  specification "outdir=$out" "url=ws://127.0.0.1:$port" > "$out/spec.json"
  "$suite/wstest/bin/wstest" -m fuzzingserver -u 0 -s "$out/spec.json" > "$out/suite.log" 2>&1 &
  started+=($!)
  for _ in $(seq 200); do
    python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && break
    sleep 0.1
  done
  "$target/release/examples/autobahn_client" --driver "$driver" --agent "$driver" --url "ws://127.0.0.1:$port" 2>&1 | progress || true
  stop
  verdict "client $driver" "$out"
}

install_suite
cargo build --quiet --release --example autobahn_server --example autobahn_client --example wsserver_echo
code=0
for driver in "${drivers[@]}"; do
  case $driver in
    frames|helpers|reader) cases=${wanted:-$uncompressed} ;;
    flate) cases=${wanted:-$compressed} ;;
    *) cases=${wanted:-$uncompressed,$compressed} ;;
  esac
  if [ "$role" != client ]; then test_server "$driver" || code=1; fi
  if [ "$role" != server ] && [[ " ${client_drivers[*]} " = *" $driver "* ]]; then
    test_client "$driver" || code=1
  fi
done
exit $code
