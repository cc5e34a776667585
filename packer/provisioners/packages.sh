#!/bin/sh
# Installs in one transaction the packages that the remediation would otherwise install one by one: each run of
# the package manager costs seconds, under emulation minutes. Recommended packages stay out: through aide alone
# they would bring a mail server.
set -eu
. "$DROVER_INPUTS/environment.sh"
command -v apt-get >/dev/null || exit 0

wanted=$(sed -n 's/.*apt-get .*install -y "\([a-z0-9][a-z0-9.+-]*\)" *$/\1/p' "$DROVER_INPUTS/remediation.sh" | sort -u)
packages=
for package in $wanted; do
  # Fixes for other distributions name packages Debian does not have.
  [ -z "$(apt-cache show --no-all-versions "$package" 2>/dev/null)" ] || packages="$packages $package"
done
echo "packages the profile asks for:${packages:- none}"
# shellcheck disable=SC2086 # a list of package names
[ -z "$packages" ] || apt-get install -q -y --no-install-recommends $packages
