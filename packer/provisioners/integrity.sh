#!/bin/sh
# Makes the integrity database, after everything else, so that it is of the files an instance starts with.
set -eu
. "$DROVER_INPUTS/environment.sh"
command -v aideinit >/dev/null && [ ! -f /var/lib/aide/aide.db ] || exit 0

# In a chroot some files are covered by others (chroot/run.sh): in mounts of its own this sees them as they are.
if [ -n "${DROVER_CHROOT:-}" ]; then
  [ -n "${DROVER_OWN_MOUNTS:-}" ] || DROVER_OWN_MOUNTS=yes exec unshare --mount -- sh "$0"
  umount /usr/bin/systemctl /usr/sbin/policy-rc.d
  ! mountpoint -q /etc/hosts || umount /etc/hosts
fi

echo "Running aideinit"
# Debian 13's configuration asks for the machine's id; a finished image has none.
identity=$(cat /etc/machine-id 2>/dev/null || :)
[ -n "$identity" ] || systemd-machine-id-setup
# All processors now; the daily check has the one its configuration gives it. Without what only the build has.
cat >"$DROVER_INPUTS/aide.conf" <<END
num_workers=$(nproc)
!/run
!$DROVER_INPUTS
!/usr/sbin/policy-rc.d$
@@include /etc/aide/aide.conf
END
umask 027
aideinit -y -f -c "$DROVER_INPUTS/aide.conf" >/dev/null
[ -n "$identity" ] || : >/etc/machine-id
: >/var/log/aide/aideinit.log
