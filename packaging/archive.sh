#!/usr/bin/env bash
# Packs the program, man pages, completions and licence into target/packaging/ziggurat-VERSION-TARGET.tar.gz.
# Usage: packaging/archive.sh PROGRAM [TARGET]
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
target=${2:-$(rustc -vV | sed -n 's/^host: //p')}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
name=ziggurat-$version-$target
out=target/packaging
folder=$out/$name
rm -rf "$folder"
mkdir -p "$folder/bin"
cp "$program" "$folder/bin/ziggurat"
cp README.md CHANGELOG.md LICENSE "$folder"
packaging/assets.sh "${HOST_PROGRAM:-$program}" "$folder"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" \
  -C "$out" -czf "$out/$name.tar.gz" "$name"
rm -rf "$folder"
(cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
