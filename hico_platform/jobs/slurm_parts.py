"""The parts of the script for sbatch that are the same for every search; values come in as variables before them."""

from __future__ import annotations

BEGIN = r"""
say() { printf '%s job %s: %s\n' "$(date +%FT%T)" "$SLURM_JOB_ID" "$*"; }
fail() { say "$*" >&2; exit 1; }
work=$home/jobs/job-$SLURM_JOB_ID steps=() driver='' stopped='' time_is_up=''
end() {
  trap '' TERM INT USR1
  if [ ${#steps[@]} -gt 0 ]; then  # srun hands SIGUSR2 on, so that nodes tidy up; SIGTERM would kill them at once
    kill -USR2 "${steps[@]}" 2>/dev/null || true
    for _ in {1..20}; do kill -0 "${steps[@]}" 2>/dev/null || break; sleep 1; done
    kill -TERM "${steps[@]}" 2>/dev/null || true
    steps=()
  fi
  rm -rf -- "$work"
}
stop() { stopped=1; [ -z "$driver" ] || kill -TERM "$driver" 2>/dev/null || true; }
trap end EXIT
trap stop TERM INT
trap 'time_is_up=1; say "the time is nearly up: the search saves"; stop' USR1
mkdir -p -- "$metrics"
umask 077
rm -rf -- "$work"  # left by a node that was lost
mkdir -p -- "$work"
say "run $((${SLURM_RESTART_COUNT:-0} + 1)) of the search $name on $SLURM_JOB_NODELIST"
if [ -n "$secrets" ] && [ "$(stat -L -c '%a %u' -- "$secrets")" != "600 $(id -u)" ]; then
  fail "expected $secrets to be your own file of mode 600, got another; chmod 600 it"
fi
"""

NODE = r"""
# Starts Ray on a node: node.sh INDEX PEER head|worker ADDRESS CPUS GPUS DAYS. Its own address is the one by which it
# reaches PEER.
set -euo pipefail
umask 077
index=$1 peer=$2 role=$3 head=$4 cpus=$5 gpus=$6 days=$7
work=$(dirname "$0")
own=/tmp/hico-$SLURM_JOB_ID-$index  # short, since sockets lie in it
rm -rf -- "$own"
mkdir -- "$own"
trap 'rm -rf -- "$own"' EXIT
address=$(python3 -c '
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
    way.connect((sys.argv[1], 9))
    print(way.getsockname()[0])' "$peer")
if [ -f "$work/ca.key" ]; then
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$address" \
    -keyout "$own/node.key" -out "$own/node.csr" 2>/dev/null
  printf 'subjectAltName=IP:%s,IP:127.0.0.1,DNS:localhost\n' "$address" > "$own/names"
  openssl x509 -req -in "$own/node.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -days "$days" \
    -set_serial "0x$(openssl rand -hex 8)" -extfile "$own/names" -out "$own/node.crt" 2>/dev/null
  export RAY_USE_TLS=1 RAY_TLS_CA_CERT=$work/ca.crt RAY_TLS_SERVER_CERT=$own/node.crt RAY_TLS_SERVER_KEY=$own/node.key
fi
where=(--address="$head")
if [ "$role" = head ]; then
  where=(--head --port="${head##*:}" --include-dashboard=false)
  printf '%s %s\n' "$address" "$own" > "$work/head.new"
  mv -- "$work/head.new" "$work/head"
fi
ray start "${where[@]}" --node-ip-address="$address" --num-cpus="$cpus" --num-gpus="$gpus" --temp-dir="$own/ray" \
  --object-store-memory=1000000000 --dashboard-agent-listen-port=0 --disable-usage-stats --block &
ray=$!
trap 'kill -TERM "$ray" 2>/dev/null || true' TERM INT USR2
wait "$ray" && code=0 || code=$?
wait "$ray" 2>/dev/null || true
exit "$code"
"""

CLUSTER = r"""
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$work/token RAY_USAGE_STATS_ENABLED=0
openssl rand -hex 32 > "$work/token"
if [ -n "$tls" ]; then  # an authority of this run alone, which goes with its folder
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "$days" -subj /CN=hico \
    -keyout "$work/ca.key" -out "$work/ca.crt" 2>/dev/null
fi
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
start() {  # start INDEX PEER head|worker ADDRESS: a step of its own for each node, so that a lost one ends no other
  srun --nodes=1 --ntasks=1 --nodelist="${nodes[$1]}" --overlap --cpus-per-task="$cpus" --kill-on-bad-exit=0 \
    bash "$work/node.sh" "$@" "$cpus" "$gpus" "$days" &
  steps+=($!)
}
address_of() { scontrol show node "$1" --oneliner | sed -n 's/.* NodeAddr=\([^ ]*\).*/\1/p'; }
start 0 "$(address_of "${nodes[1]}")" head "any:$port"
head_step=${steps[0]}
until [ -f "$work/head" ]; do
  kill -0 "$head_step" 2>/dev/null || fail "expected Ray's head to start on ${nodes[0]}; see above"
  sleep 1
done
read -r address own < "$work/head"
if [ -n "$tls" ]; then
  export RAY_USE_TLS=1 RAY_TLS_CA_CERT=$work/ca.crt RAY_TLS_SERVER_CERT=$own/node.crt RAY_TLS_SERVER_KEY=$own/node.key
fi
until ray health-check --address "$address:$port" >/dev/null 2>&1; do
  kill -0 "$head_step" 2>/dev/null || fail "expected Ray's head to start on ${nodes[0]}; see above"
  [ "$SECONDS" -lt 600 ] || fail "expected Ray's head on ${nodes[0]} to answer within 10 minutes; see above"
  sleep 1
done
for ((index = 1; index < ${#nodes[@]}; index++)); do start "$index" "$address" worker "$address:$port"; done
"""

DRIVER = r"""
(  # in a shell of its own, since no process of Ray's gets what the driver alone may know
  if [ -n "$secrets" ]; then
    set -a
    . "$secrets"
    set +a
  fi
@SEARCH@
) &
driver=$!
[ -z "$stopped" ] || stop  # while the cluster started
"""

END = r"""
while true; do
  stopped=''
  wait "$driver" && code=0 || code=$?
  [ -n "$stopped" ] || break
done
case $time_is_up$code in
  1130 | 1137 | 1143) ;;  # interrupted, because the time is nearly up
  *)
    say "the search ended with exit code $code"
    exit "$code"
    ;;
esac
if [ "${SLURM_RESTART_COUNT:-0}" -ge "$requeues" ]; then
  fail "the search is not done after $requeues requeues (slurm.requeues); submit it again to go on"
fi
end
say "goes back into the queue"
scontrol requeue "$SLURM_JOB_ID" || fail "Slurm does not take the job back into the queue; submit it again to go on"
"""
