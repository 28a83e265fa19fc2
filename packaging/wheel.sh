#!/usr/bin/env bash
# Builds the wheel into target/packaging: linked with zig against the GNU C library 2.28, with man pages and completions.
# Needs Python 3.9 or newer with pip. Usage: packaging/wheel.sh [TARGET], by default this machine's.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-$(rustc -vV | sed -n 's/^host: //p')}
out=$PWD/target/packaging
tools=$out/tools
mkdir -p "$out"
[[ -x $tools/bin/maturin ]] || {
  python3 -m venv "$tools"
  "$tools/bin/pip" install -q 'maturin>=1.9,<2' ziglang wheel
}
export PATH=$tools/bin:$PATH
linker=(--zig --compatibility manylinux_2_28)
[[ $target == *linux-gnu ]] || linker=()
rm -rf "$out/plain" "$out"/ziggurat-*.whl
maturin build --release --locked --target "$target" ${linker[@]+"${linker[@]}"} --out "$out/plain"

# The wheel once more, with the files below share.
unpacked=$out/unpacked
rm -rf "$unpacked"
wheel unpack --dest "$unpacked" "$out"/plain/ziggurat-*.whl
folder=$(echo "$unpacked"/ziggurat-*)
data=$(echo "$folder"/*.data)
program=$data/scripts/ziggurat
if [[ $target == $(rustc -vV | sed -n 's/^host: //p') ]]; then
  packaging/assets.sh "$program" "$data/data"
else
  # A program for another machine cannot write them; those of this machine's build are the same.
  packaging/assets.sh "${PROGRAM:?the program of this machine}" "$data/data"
fi
wheel pack --dest "$out" "$folder"
