#!/bin/sh
# Audits a disk image from outside and writes the fixes for what it does not pass:
#   plan.sh DISK INPUTS DATA_STREAM PROFILE
# INPUTS holds tailoring.xml and receives remediation.sh. The disk is mounted read-only.
set -eu

if [ "${DROVER_NAMESPACE:-}" != own ]; then
  DROVER_NAMESPACE=own exec unshare --mount --pid --fork --kill-child --mount-proc --propagation private -- "$0" "$@"
fi

disk=$1 inputs=$2 content=$3 profile=$4
work=$(mktemp -d)
trap 'exit 130' INT TERM
trap 'cd /; umount "$work/root" 2>/dev/null || :; rm -rf "$work/apt.conf" "$work"/*.xml "$work"/*.log; rmdir "$work/root" "$work" || :' EXIT
mkdir "$work/root"
mount -t ext4 -o loop,ro,noload,offset=1048576 "$disk" "$work/root"

# OpenSCAP's package probe uses libapt, which fails ("dpkginfo_init has failed") when this machine's apt.conf
# switches the package cache off, and then calls every package missing. It gets a configuration of its own.
printf 'Dir::Etc::main "/dev/null";\nDir::Etc::parts "/dev/null";\n' >"$work/apt.conf"

status=0
OSCAP_PROBE_ROOT="$work/root" APT_CONFIG="$work/apt.conf" oscap xccdf eval \
  --tailoring-file "$inputs/tailoring.xml" --profile "$profile" --results "$work/results.xml" "$content" \
  >/dev/null 2>"$work/oscap.log" || status=$?
# 0: every rule passed, 2: some did not. Anything else is no audit.
if [ "$status" != 0 ] && [ "$status" != 2 ] || grep -q 'dpkginfo_init has failed' "$work/oscap.log"; then
  cat "$work/oscap.log" >&2
  echo "oscap could not audit the disk (exit code $status)" >&2
  exit 1
fi

# A rule that cannot be judged from outside (it wants a running system) is remediated as if it failed.
sed -i 's,<result>unknown</result>,<result>fail</result>,; s,<result>notchecked</result>,<result>fail</result>,' "$work/results.xml"
oscap xccdf generate fix --fix-type bash --tailoring-file "$inputs/tailoring.xml" --result-id '' --output "$inputs/remediation.sh" "$work/results.xml" \
  2>"$work/oscap.log" || { cat "$work/oscap.log" >&2; exit 1; }
echo "audit: $(grep -c '<result>pass</result>' "$work/results.xml") rules pass," \
  "$(grep -c '<result>fail</result>' "$work/results.xml") to remediate," \
  "$(grep -c '^# BEGIN fix' "$inputs/remediation.sh" || :) fixes"
