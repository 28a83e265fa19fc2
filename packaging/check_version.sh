#!/usr/bin/env bash
# Fails unless a tag, the package and the changelog name the same version. Usage: packaging/check_version.sh vX.Y.Z
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
[[ $1 == "v$version" ]] || {
  echo "the tag is $1, but Cargo.toml has version $version" >&2
  exit 1
}
[[ -n $(packaging/changes.sh "$1") ]] || {
  echo "CHANGELOG.md has no section $version" >&2
  exit 1
}
