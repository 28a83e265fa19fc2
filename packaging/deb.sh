#!/usr/bin/env bash
# Builds a Debian package into target/packaging from a program that is linked already.
# Needs dpkg-deb. Usage: packaging/deb.sh PROGRAM [ARCHITECTURE], by default amd64. MAINTAINER names who publishes it.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
architecture=${2:-amd64}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
out=target/packaging
root=$out/deb
rm -rf "$root"
install -D -m 755 "$program" "$root/usr/bin/ziggurat"
packaging/assets.sh "${HOST_PROGRAM:-$program}" "$root/usr"
# Debian's folders for completions.
mkdir -p "$root/usr/share/zsh/vendor-completions" "$root/usr/share/doc/ziggurat/examples"
mv "$root/usr/share/zsh/site-functions/_ziggurat" "$root/usr/share/zsh/vendor-completions/"
mv "$root/usr/share/elvish" "$root/usr/share/powershell" "$root/usr/share/doc/ziggurat/examples/"
rmdir "$root/usr/share/zsh/site-functions"
gzip -9n "$root"/usr/share/man/man1/*.1
{
  cat LICENSE
  printf '\nOn Debian systems, the Apache License is in /usr/share/common-licenses/Apache-2.0.\n'
} >"$root/usr/share/doc/ziggurat/copyright"
install -m 644 CHANGELOG.md README.md "$root/usr/share/doc/ziggurat/"
# The changes of this version once more, in Debian's format.
maintainer=${MAINTAINER:-Ziggurat developers <ziggurat@localhost>}
{
  printf 'ziggurat (%s) unstable; urgency=medium\n\n' "$version"
  packaging/changes.sh "v$version" |
    awk '/^- / { if (item) print item; item = substr($0, 3) } /^  / { item = item " " substr($0, 3) } END { print item }' |
    while read -r item; do fmt -w 72 <<<"$item" | sed '1s/^/  * /; 2,$s/^/    /'; done
  printf '\n -- %s  %s\n' "$maintainer" "$(date -Ru -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}")"
} | gzip -9n >"$root/usr/share/doc/ziggurat/changelog.gz"
mkdir "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<CONTROL
Package: ziggurat
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f 1)
Depends: libc6 (>= 2.28), libgcc-s1
Recommends: python3-pip
Section: science
Priority: optional
Description: see what an ONNX image classifier has learned
 Ziggurat browses the layers and classes of an image classifier, runs gradient
 ascent for a class, a channel or a neuron on ONNX Runtime, and shows the
 picture growing in the terminal. ONNX Runtime and the default model are
 downloaded with pip when they are first needed.
CONTROL
chmod -R u=rwX,go=rX "$root"
dpkg-deb --root-owner-group -Zxz --build "$root" "$out/ziggurat_${version}_${architecture}.deb"
rm -rf "$root"
