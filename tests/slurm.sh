#!/usr/bin/env bash
# The channels of a layer as an array job of a real Slurm on this machine: four shards on one history, two of them killed
# on the way, a second pass for what is missing, and the atlas.
#
#   tests/slurm.sh [LAYER]
#
# ZIGGURAT is the program (default: target/release/ziggurat, else target/debug/ziggurat), ZIGGURAT_HOME its data (default:
# a temporary folder, for which ONNX Runtime and the default model are downloaded). Starts munge and Slurm of its own, with
# their files in a temporary folder, and stops them. Skipped where they are missing and cannot be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
layer=${1:-blocks.6/expand/relu6}
shards=4
steps=3

skip() { echo "skipped: $*"; exit 0; }
fail() { echo "failed: $*" >&2; exit 1; }

[[ $(uname -s) == Linux ]] || skip "Slurm needs Linux"
[[ $(id -u) == 0 ]] || skip "starting Slurm's daemons needs root"
if ! command -v slurmctld slurmd sbatch munged >/dev/null; then
  command -v apt-get >/dev/null || skip "Slurm is not installed, and there is no apt-get"
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends slurm-wlm munge; } >/dev/null 2>&1 ||
    skip "Slurm cannot be installed"
fi

program=${ZIGGURAT:-}
for built in target/release/ziggurat target/debug/ziggurat; do
  [[ -n $program || ! -x $built ]] || program=$PWD/$built
done
[[ -x $program ]] || fail "no program: cargo build, or set ZIGGURAT"

folder=$(mktemp -d)
export ZIGGURAT_HOME=${ZIGGURAT_HOME:-$folder/home}
daemons=()
stop() {
  for daemon in "${daemons[@]}"; do kill "$daemon" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap stop EXIT

# Munge refuses a key or a socket in a folder that others may write to.
mkdir -p "$folder/munge" "$folder/state" "$folder/spool"
chmod 755 "$folder" "$folder/munge"
(umask 077 && head -c 1024 /dev/urandom >"$folder/munge/key")
munged --foreground --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
  --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" \
  >"$folder/munged.out" 2>&1 &
daemons+=($!)

host=$(hostname -s)
port=$((20000 + RANDOM % 20000))
export SLURM_CONF=$folder/slurm.conf
cat >"$SLURM_CONF" <<EOF
ClusterName=ziggurat
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
SlurmctldPort=$port
SlurmdPort=$((port + 1))
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$shards State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
EOF
# Slurm wants to know a version of control groups even if it uses none.
case $(stat -fc %T /sys/fs/cgroup) in
  cgroup2fs) printf 'CgroupPlugin=cgroup/v2\nIgnoreSystemd=yes\n' >"$folder/cgroup.conf" ;;
  *) echo "CgroupPlugin=cgroup/v1" >"$folder/cgroup.conf" ;;
esac
slurmctld -D >"$folder/slurmctld.out" 2>&1 &
daemons+=($!)
slurmd -D -N "$host" >"$folder/slurmd.out" 2>&1 &
daemons+=($!)
for _ in $(seq 60); do
  [[ $(sinfo --noheader --format=%t 2>/dev/null) == idle ]] && break
  sleep 0.5
done
if [[ $(sinfo --noheader --format=%t 2>/dev/null) != idle ]]; then
  tail -n 5 "$folder"/*.out >&2
  skip "Slurm does not start here"
fi

options=(--all "$layer" --steps "$steps")
missing() { "$program" history missing "${options[@]}" 2>/dev/null; }
count=$("$program" history missing "${options[@]}" | wc -l)
((count > 20)) || fail "too few runs are missing for a test ($count): remove them from the history first"

submit() {
  sbatch --parsable --array=1-$shards --cpus-per-task=1 --output="$folder/%a.out" --wrap \
    "exec '$program' run ${options[*]} --shard \$SLURM_ARRAY_TASK_ID/$shards --json"
}
ended() { [[ -z $(squeue --noheader --job="$1" 2>/dev/null) ]]; }
lines() { cat "$folder/$1.out" 2>/dev/null | grep -c '"id"' || true; }

job=$(submit)
echo "job $job: $count runs in $shards shards"
# Two shards are killed when they have delivered their first pictures.
for shard in 1 2; do
  until (($(lines $shard) > 0)); do
    ! ended "${job}_$shard" || fail "shard $shard ended early: $(cat "$folder/$shard.out")"
    sleep 0.05
  done
  scancel --signal=KILL --full "${job}_$shard"
done
until ended "$job"; do sleep 0.5; done
left=$(missing | wc -l)
echo "two shards were killed: $left of $count runs are missing"
((left > 0 && left < count)) || fail "the shards were not killed on their way"

job=$(submit)
until ended "$job"; do sleep 0.5; done
echo "second pass, job $job: $(missing | wc -l) missing"
[[ -z $(missing) ]] || fail "runs are missing after the second pass: $(tail -n 3 "$folder"/?.out)"
"$program" history verify
"$program" history export --atlas "$layer" --out "${ATLAS:-$folder/atlas.html}"
