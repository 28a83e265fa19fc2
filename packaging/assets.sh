#!/usr/bin/env bash
# Writes man pages and completion scripts below FOLDER/share, as packages install them.
# Usage: packaging/assets.sh PROGRAM FOLDER
set -euo pipefail
program=$1
share=$2/share
mkdir -p "$share"/{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d,elvish/lib,nushell/vendor/autoload,powershell}
"$program" man --dir "$share/man/man1"
"$program" completions bash >"$share/bash-completion/completions/ziggurat"
"$program" completions zsh >"$share/zsh/site-functions/_ziggurat"
"$program" completions fish >"$share/fish/vendor_completions.d/ziggurat.fish"
"$program" completions elvish >"$share/elvish/lib/ziggurat.elv"
"$program" completions nushell >"$share/nushell/vendor/autoload/ziggurat.nu"
"$program" completions powershell >"$share/powershell/ziggurat.ps1"
