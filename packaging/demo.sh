#!/usr/bin/env bash
# Records models/demo.webp: a real session of the explorer in kitty on a virtual display.
# Needs Xvfb, kitty, xdotool, ffmpeg and Mesa's software driver. Usage: packaging/demo.sh PROGRAM, with ONNX Runtime and
# the default model in ZIGGURAT_HOME, whose history receives the runs of the demo.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "$1")
out=models/demo.webp
layer=blocks.6/expand/relu6
display=:$((90 + RANDOM % 100))
folder=$(mktemp -d)
export LC_ALL=C.UTF-8 COLORTERM=truecolor LIBGL_ALWAYS_SOFTWARE=1
jobs=()
trap 'kill "${jobs[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT

# The cells of the layer's grid have pictures already.
seq -f "$layer:%g" 0 23 | "$program" run --targets - --preset draft --graphics none --out "$folder" 2>/dev/null

Xvfb "$display" -screen 0 1280x720x24 >/dev/null 2>&1 &
jobs+=($!)
export DISPLAY=$display
sleep 1
kitty --config NONE -o remember_window_size=no -o initial_window_width=1280 -o initial_window_height=720 \
  -o font_size=11 -o hide_window_decorations=yes -o cursor_blink_interval=0 -o mouse_hide_wait=0.1 \
  "$program" efficientnet-lite0 --theme dark >/dev/null 2>&1 &
jobs+=($!)
sleep 3
xdotool mousemove 1279 719
xdotool windowfocus "$(xdotool search --class kitty | tail -n 1)"

ffmpeg -loglevel error -f x11grab -framerate 10 -video_size 1280x720 -i "$display" -c:v ffv1 -y "$folder/demo.mkv" &
recorder=$!
jobs+=("$recorder")
press() { for key in "$@"; do xdotool key "$key"; sleep 0.12; done; }
sleep 1
press Escape 2
sleep 0.8
press slash
xdotool type --delay 90 flamingo
sleep 0.6
press Return n
sleep 0.6
press Return
# Until the run ends, or for 30 s.
for _ in $(seq 30); do
  sleep 1
  if "$program" history list --text flamingo --json 2>/dev/null | grep -q flamingo; then break; fi
done
sleep 1.5
press o
sleep 1.8
press o
sleep 1.8
press O O
sleep 0.4
press Escape 1
sleep 0.5
press slash
xdotool type --delay 60 "$layer"
sleep 0.5
press Return
sleep 0.3
press l
sleep 2.5
press Right Right Down Right
sleep 1
press z
sleep 2
kill -INT "$recorder"
wait "$recorder" || true
# Twice as fast, as an animated picture that repeats.
ffmpeg -loglevel error -y -i "$folder/demo.mkv" -vf "setpts=PTS/2,fps=10,scale=1100:-1:flags=lanczos" \
  -c:v libwebp_anim -lossless 0 -q:v 62 -compression_level 6 -loop 0 "$out"
ls -l "$out"
