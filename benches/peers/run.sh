#!/usr/bin/env bash
# Builds the servers, ours and those of others, and measures them side by side.
set -euo pipefail
cd "$(dirname "$0")"
export PYTHONDONTWRITEBYTECODE=1
case " $* " in *" -h "*|*" --help "*) exec python3 run.py --help ;; esac
# Fails for a wrong command line, before minutes of building.
servers=$(python3 run.py --list "$@")

root=$(cd ../.. && pwd)
export OURS=${CARGO_TARGET_DIR:-$root/target}/release/examples
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target/peers}
# One by one, so that none is built with the features that another one asks of a common dependency.
for server in $servers; do
  echo "building $server …" >&2
  case $server in
    loadgen | echo-*) nice cargo build --quiet --release --locked -p "$server" ;;
    *) (cd "$root" && CARGO_TARGET_DIR=${OURS%/release/examples} nice cargo build --quiet --release --example "$server") ;;
  esac
done

# As many descriptors as the system allows: root may raise the limit, but not from inside the network
# of its own.
ulimit -n "$(cat /proc/sys/fs/nr_open)" 2> /dev/null || ulimit -n "$(ulimit -Hn)"

# A network of its own, if the system allows it: nobody else is on its loopback, and TCP there does
# not pace what it sends, which some systems otherwise do, on loopback as well.
quiet_loopback='ip link set lo up && { sysctl -q -w net.ipv4.tcp_congestion_control=reno || true; }'
if unshare --net --map-root-user sh -c "$quiet_loopback" > /dev/null 2>&1; then
  exec unshare --net --map-root-user sh -c "{ $quiet_loopback; } > /dev/null 2>&1; exec python3 run.py \"\$@\"" sh "$@"
fi
exec python3 run.py "$@"
