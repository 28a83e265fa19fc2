#!/usr/bin/env bash
# Prints the section of a version in CHANGELOG.md. Usage: packaging/changes.sh vX.Y.Z
set -euo pipefail
cd "$(dirname "$0")/.."
awk -v heading="## ${1#v}" '/^## / { on = index($0, heading) == 1; next } on' CHANGELOG.md
