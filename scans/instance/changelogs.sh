#!/bin/sh
# Copies the changelogs of the packages that are newer than in the release before: they name the vulnerabilities that
# the upgrades fix. Called by inspect.sh on the instance. The newest entries come first and are all that is wanted, so
# each is cut, and together they stay small. Whoever reads one that is absent, or cut before it reaches the version of
# the release before, knows that it does not say.
#
# usage: changelogs.sh PREVIOUS OUTPUT [SYSTEM]
#   PREVIOUS  a file of lines "NAME VERSION", the packages of the release before
#   OUTPUT    an existing directory: NAME.gz for each
#   SYSTEM    whose packages; without it those of this machine
set -u
previous=$1 output=$2 system=${3:-}
each=1048576 # bytes of text: all of most packages, the last ten versions or so of the kernel
all=33554432 # bytes as they are kept, compressed

if [ -f "$system/var/lib/dpkg/status" ]; then
  # shellcheck disable=SC2016 # dpkg's fields
  installed() { dpkg-query --admindir="$system/var/lib/dpkg" --show --showformat '${Package} ${Version}\n'; }
  # Native packages have changelog.gz only; of others that is upstream's.
  changelog() {
    for file in changelog.Debian.gz changelog.gz; do
      [ -f "$system/usr/share/doc/$1/$file" ] || continue
      gunzip -c "$system/usr/share/doc/$1/$file"
      return
    done
  }
else
  installed() { rpm -qa --queryformat '%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\n'; }
  changelog() { rpm -q --changelog "$1"; }
fi

taken=0
installed | awk 'NR == FNR { was[$1] = $2; next } $1 in was && was[$1] != $2 { print $1 }' "$previous" - | sort -u |
  while read -r name; do
    changelog "$name" 2>/dev/null | head -c "$each" | gzip -c >"$output/$name.gz"
    taken=$((taken + $(wc -c <"$output/$name.gz")))
    [ "$taken" -lt "$all" ] || break
  done
