#!/bin/sh
# Takes out of the image what must not be shared by the machines made from it, and what the build left behind.
set -eu
. "$DROVER_INPUTS/environment.sh"

# Identity: every instance makes its own. An empty machine-id means "first boot" to systemd (machine-id(5)).
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
rm -f /etc/ssh/ssh_host_*

# Keys of the build; the running session survives this. cloud-init writes an instance's own.
rm -f /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys
rm -f /root/.*_history /home/*/.*_history /root/.wget-hsts /root/.lesshst

# The account the Session Manager agent makes for the first session, which was the build's; it makes it again.
if id ssm-user >/dev/null 2>&1; then
  userdel -f -r ssm-user || :
  rm -f /etc/sudoers.d/ssm-agent-users
fi

if command -v cloud-init >/dev/null; then cloud-init clean --logs --seed; fi
rm -rf /var/lib/cloud/instances /var/lib/cloud/instance

if command -v apt-get >/dev/null; then
  # The image's own sources, not the build's: this empties the cache they would fill.
  unset APT_CONFIG
  apt-get clean
  rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/lib/dpkg/*-old
else
  dnf clean all
fi

# Logs: emptied, not removed, so that owners and modes the benchmark set stay.
journalctl --rotate --vacuum-time=1s >/dev/null 2>&1 || :
rm -rf /var/log/journal/* /var/log/apt/*
find /var/log -type f -exec truncate -s 0 {} +
find /tmp /var/tmp -mindepth 1 -maxdepth 1 ! -path "$DROVER_INPUTS" ! -name 'script_*.sh' ! -name lost+found -exec rm -rf {} + 2>/dev/null || :

sync
# Tells the disk below which blocks are free, so that a compressed copy holds none of them.
for file_system in $(findmnt --noheadings --raw --output TARGET --types ext4,xfs); do
  fstrim "$file_system" || :
done
