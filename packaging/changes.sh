#!/usr/bin/env bash
# Prints the section of a version in CHANGELOG.md. Usage: packaging/changes.sh vX.Y.Z
set -euo pipefail
cd "$(dirname "$0")/.."
awk -v version="${1#v}" '/^## / { on = $2 == version; next } on' CHANGELOG.md
