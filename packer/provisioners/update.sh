#!/bin/sh
# Brings every package up to date with the archive: release, updates and security.
set -eu
. "$DROVER_INPUTS/environment.sh"
if command -v apt-get >/dev/null; then
  apt-get update -q --error-on=any
  apt-get full-upgrade -q -y
  apt-get autoremove -q -y --purge
else
  # Amazon Linux is locked to the release it was made from; what is newer stands in the latest one only.
  dnf -y --refresh --releasever=latest upgrade
fi
