#!/bin/sh
# Brings every package up to date with the archive: release, updates and security.
set -eu
. "$DROVER_INPUTS/environment.sh"
if command -v apt-get >/dev/null; then
  apt-get update -q --error-on=any
  apt-get full-upgrade -q -y
  apt-get autoremove -q -y --purge
else
  dnf -y --refresh upgrade
fi
