#!/usr/bin/env bash
# One pass over all that a GPU is used for, in under 8 minutes and without a network; one report to paste.
#
#   ZIGGURAT=path/to/ziggurat PROVIDER=cuda tests/gpu_check.sh [FOLDER]
#
# ZIGGURAT_HOME must hold what is needed already (`ziggurat setup --gpu` or `setup --webgpu`). What is written goes into
# FOLDER. PROVIDER=cpu tries the script itself on a machine without a GPU; QUICK=1 takes few steps. Exit status 1 if a check
# fails. A line of every check says ok or FAIL.
set -u
ziggurat=${ZIGGURAT:-ziggurat}
provider=${PROVIDER:-cuda}
folder=${1:-$(mktemp -d)}
model=${MODEL:-efficientnet-lite0}
mkdir -p "$folder"
steps=256 short=32 compared=64
[[ -n ${QUICK:-} ]] && steps=6 short=3 compared=3
failed=0

title() { printf '\n=== %s [%s]\n' "$*" "$(date +%T)"; }
verdict() { # STATUS WHAT...
  local status=$1
  shift
  if [[ $status == 0 ]]; then echo "ok    $*"; else
    echo "FAIL  $*"
    failed=$((failed + 1))
  fi
}
zig() { timeout 150 "$ziggurat" "$@"; }
seconds() { # COMMAND...: runs it and leaves its time in $took
  local start end status
  start=$(date +%s%N)
  "$@"
  status=$?
  end=$(date +%s%N)
  took=$(((end - start) / 1000000))
  return $status
}
run() { # NAME TARGETS AND OPTIONS...
  local out=$folder/$1
  shift
  seconds zig run "$@" --model "$model" --again --graphics none --json --out "$out" >>"$folder/runs.jsonl"
  verdict $? "run $* (${took} ms)"
}

title "machine"
uname -srm
nvidia-smi --query-gpu=index,name,driver_version,memory.used,memory.total --format=csv 2>&1 || true

title "what is found"
zig doctor | sed -n '1,/^terminal/p' | sed '$d'
verdict "${PIPESTATUS[0]}" "doctor"
zig doctor --json >"$folder/doctor.json"
grep -q "\"name\":\"${provider}[:0-9]*\",\"starts\":true" "$folder/doctor.json"
verdict $? "$provider ran the trial model with the CPU's numbers"

title "speed, and numbers beside the CPU's"
if [[ -z ${QUICK:-} ]]; then
  zig doctor "$model" --measure --provider "$provider" --json >"$folder/measured.json"
  verdict $? "doctor --measure"
  sed 's/.*"measured"://' "$folder/measured.json"
  number() { grep -o "\"$1\":[^,}]*" "$folder/measured.json" | tail -n 1 | cut -d: -f2; }
  below() { awk -v value="$(number "$1")" -v most="$2" 'BEGIN { exit !(value ~ /^[0-9]/ && value + 0 < most) }'; }
  below gradient_error 5e-3
  verdict $? "gradient beside the CPU's: relative L2 $(number gradient_error), at most 5e-3"
  below probability_error 1e-3
  verdict $? "probability beside the CPU's: $(number probability_error), at most 1e-3"
  below picture_error 3
  verdict $? "picture after 4 steps: $(number picture_error) of 255, at most 2"
  if [[ $provider != cpu ]]; then
    below graph_capture_error 2
    verdict $? "the same with graph capture: $(number graph_capture_error) of 255, at most 1; steps per second of both are above"
  fi
fi

title "runs: the first, the same again, with graph capture, one octave of few steps, a batch in one session, and the CPU"
run first.png flamingo --steps $steps --seed 1 --provider "$provider"
run again.png flamingo --steps $steps --seed 1 --provider "$provider"
if cmp -s "$folder/first.png" "$folder/again.png"; then
  echo "      the same seed twice gives the same bytes"
else
  echo "      the same seed twice gives other bytes: this device does not repeat itself exactly"
fi
export ZIGGURAT_GRAPH_CAPTURE=1
run captured.png flamingo --steps $steps --seed 1 --provider "$provider"
mkdir -p "$folder/captured"
run captured flamingo goose 'tiger shark' espresso castle lemon volcano balloon --steps $compared --provider "$provider"
unset ZIGGURAT_GRAPH_CAPTURE
if cmp -s "$folder/first.png" "$folder/captured.png"; then
  echo "      graph capture gives the same bytes"
else
  echo "      graph capture gives other bytes"
fi
run short.png flamingo --steps $short --seed 1 --provider "$provider" --set octaves=1
mkdir -p "$folder/batch"
run batch flamingo goose 'tiger shark' espresso castle lemon volcano balloon --steps $compared --provider "$provider"
[[ $(find "$folder/batch" -name '*.png' | wc -l) == 8 ]]
verdict $? "a batch of eight leaves eight pictures"
run cpu.png flamingo --steps $compared --seed 1 --provider cpu

title "the device's picture, judged by the CPU"
zig classify "$model" "$folder/first.png" --provider cpu --json | tee "$folder/classified.json"
verdict "${PIPESTATUS[0]}" "classify"
if [[ -z ${QUICK:-} ]]; then
  grep -q '"top":\[{"index":130' "$folder/classified.json"
  verdict $? "the CPU takes the device's flamingo for one"
fi

title "class activation map"
zig cam "$model" "$folder/first.png" --target flamingo --out "$folder/map.png" --provider "$provider"
verdict $? "cam"

title "stop: an interrupted run ends within two seconds and keeps its picture"
"$ziggurat" run flamingo --model "$model" --steps 100000 --again --graphics none --provider "$provider" --out "$folder/stopped.png" 2>"$folder/stopped.txt" &
job=$!
sleep "${WARM:-12}"
wait_for_end() { wait "$job"; }
kill -INT "$job"
seconds wait_for_end
status=$?
tail -n 1 "$folder/stopped.txt"
[[ $status != 0 && $took -lt 2000 && -s $folder/stopped.png ]]
verdict $? "stopped after $took ms with exit status $status"

title "a GPU that does not exist"
zig run flamingo --model "$model" --steps 1 --graphics none --provider cuda:77 --out "$folder/none.png" 2>"$folder/none.txt"
status=$?
cat "$folder/none.txt"
[[ $status == 1 && $(wc -l <"$folder/none.txt") == 1 && ! -e $folder/none.png ]]
verdict $? "a GPU that does not exist is an error of one line"
run auto.png flamingo --steps 1
grep -o '"provider":"[^"]*"' "$folder/runs.jsonl" | tail -n 1

title "a GPU that disappears: auto goes on with the CPU and says why"
CUDA_VISIBLE_DEVICES=77 run hidden.png flamingo --steps 1 2>"$folder/hidden.txt"
cat "$folder/hidden.txt"
tail -n 1 "$folder/runs.jsonl" | grep -q '"provider":"cpu"'
verdict $? "auto without a visible GPU runs on the CPU"
if [[ -e /dev/nvidiactl ]]; then
  [[ $(grep -c 'running on the CPU: ' "$folder/hidden.txt") == 1 ]]
  verdict $? "and says why in one line"
fi

title "warnings of ONNX Runtime"
if [[ -n ${ZIGGURAT_HOME:-} ]]; then
  grep -hiE 'memcpy|fallback|not assigned|WARN|ERROR' "$ZIGGURAT_HOME/state/ziggurat.log" 2>/dev/null | cut -c1-300 | sort | uniq -c | sort -rn | head -n 20
fi

title "PyTorch, forward and input gradient of a network of like size, for scale"
timeout 90 python3 - 2>/dev/null <<'P' || echo "skipped: no PyTorch with a GPU"
import time, torch, torchvision
model = torchvision.models.efficientnet_b0().cuda().eval()
for batch in (1, 8, 32):
    pixels = torch.randn(batch, 3, 224, 224, device="cuda", requires_grad=True)
    for count in (5, 50):
        torch.cuda.synchronize(); start = time.time()
        for _ in range(count):
            model(pixels)[:, 130].sum().backward(); pixels.grad = None
        torch.cuda.synchronize()
    print(f"batch {batch}: {count / (time.time() - start):.0f} a second")
P

title "done: $failed failed; everything is in $folder"
[[ $failed == 0 ]]
