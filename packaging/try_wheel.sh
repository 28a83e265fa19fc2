#!/usr/bin/env bash
# Installs the wheel of target/packaging into a fresh environment and makes a picture with it, from nothing: ONNX Runtime
# and the default model are downloaded. With an argument (such as onnxruntime), that package is installed first, and the
# program must use its library. Usage: packaging/try_wheel.sh [PACKAGE]
set -euo pipefail
cd "$(dirname "$0")/.."
wheel=$(echo "$PWD"/target/packaging/ziggurat-*.whl)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
[[ -z ${1:-} ]] || "$folder/env/bin/pip" install -q "$1"
"$folder/env/bin/pip" install -q "$wheel"
export ZIGGURAT_HOME=$folder/home
unset VIRTUAL_ENV CONDA_PREFIX
cd "$folder"
env/bin/ziggurat run flamingo --steps 20 --out flamingo.png --graphics none
[[ -s flamingo.png ]]
env/bin/python -m ziggurat --version
[[ $(env/bin/python -c 'import ziggurat; print(ziggurat.find_binary())') == "$folder/env/bin/ziggurat" ]]
[[ -s env/share/man/man1/ziggurat-run.1 && -s env/share/bash-completion/completions/ziggurat ]]
env/bin/ziggurat doctor | grep '^ONNX Runtime'
[[ -z ${1:-} ]] || env/bin/ziggurat doctor | grep -q 'in the environment of this program'
