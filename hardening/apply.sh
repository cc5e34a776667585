#!/bin/sh
# Makes a system what the catalogue says, from the tree and the lists beside this script.
# Looks before it writes: what is right already is not touched, so a second run changes nothing. It reads and writes
# files only and never asks the running kernel; nothing of it stays in the system.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
changed=0

say() {
  changed=$((changed + 1))
  echo "hardening: $*"
}

# packages: NAME, or NAME- for one that must go. Whatever is missing or too much at once.
is_installed() {
  if [ -e /var/lib/dpkg/status ]; then
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || :)" = installed ]
  else
    rpm -q --quiet "$1"
  fi
}
missing='' surplus=''
while read -r package; do
  case $package in
    *-) ! is_installed "${package%-}" || surplus="$surplus $package" ;;
    *) is_installed "$package" || missing="$missing $package" ;;
  esac
done <"$here/packages"
if [ -n "$missing$surplus" ]; then
  say "packages:$missing$surplus"
  # shellcheck disable=SC2046,SC2086 # lists of package names
  if [ -e /var/lib/dpkg/status ]; then
    apt-get install -q -y --no-install-recommends --purge $missing $surplus
  else
    [ -z "$surplus" ] || dnf -q -y remove --noautoremove $(printf '%s\n' $surplus | sed 's/-$//')
    [ -z "$missing" ] || dnf -q -y install --setopt=install_weak_deps=False $missing
  fi
fi

# groups: NAME
while read -r group; do
  grep -q "^$group:" /etc/group && continue
  say "group $group"
  groupadd --system "$group"
done <"$here/groups"

# shells: ACCOUNT SHELL
while read -r account shell; do
  is=$(grep "^$account:" /etc/passwd) || continue
  [ "${is##*:}" = "$shell" ] && continue
  say "shell of $account"
  usermod -s "$shell" "$account"
done <"$here/shells"

# files: MODE PATH, the file itself is tree/PATH. A mode is only given to a file that is new or has changed: below it
# may be lowered further.
while read -r mode path; do
  cmp -s "$here/tree/$path" "/$path" && continue
  say "file /$path"
  mkdir -p "/${path%/*}"
  install -o root -g root -m "$mode" "$here/tree/$path" "/$path.drover-new"
  mv -f "/$path.drover-new" "/$path"
  # Under SELinux a file's label comes from its path.
  ! command -v restorecon >/dev/null || restorecon "/$path"
done <"$here/files"

# absent: PATH
while read -r path; do
  [ -e "/$path" ] || continue
  say "no /$path"
  rm -f "/$path"
done <"$here/absent"

# modes: CEILING OWNER GROUP PATTERN
while read -r mode owner group pattern; do
  directory=${pattern%/*}
  for path in "${directory:-/}"/${pattern##*/}; do
    [ -e "$path" ] && [ ! -L "$path" ] || continue
    case $pattern in *\**) [ -f "$path" ] || continue ;; esac
    is=$(stat -c '%a %U %G' "$path")
    bits=$((0${is%% *}))
    if [ $((bits & ~0$mode)) -ne 0 ]; then
      say "mode of $path"
      chmod "$(printf %04o $((bits & 0$mode)))" "$path"
    fi
    is=${is#* }
    [ "$owner" = '*' ] || [ "$owner" = "${is% *}" ] || { say "owner of $path"; chown "$owner" "$path"; }
    [ "$group" = '*' ] || [ "$group" = "${is#* }" ] || { say "group of $path"; chgrp "$group" "$path"; }
  done
done <"$here/modes"

# mounts: lines of fstab(5). A line of ours takes the place of the one with its mount point, at the end.
if [ -s "$here/mounts" ]; then
  awk 'NR == FNR { ours[$2] = 1; next } !($2 in ours)' "$here/mounts" /etc/fstab >/etc/fstab.drover-new
  cat "$here/mounts" >>/etc/fstab.drover-new
  if cmp -s /etc/fstab.drover-new /etc/fstab; then
    rm /etc/fstab.drover-new
  else
    say "mounts"
    chmod 0644 /etc/fstab.drover-new
    mv -f /etc/fstab.drover-new /etc/fstab
  fi
fi

# units: STATE NAME
while read -r state unit; do
  is=$(systemctl is-enabled "$unit" 2>/dev/null || :)
  case $state:$is in
    enabled:enabled | disabled:disabled | masked:masked | disabled:static | disabled:masked | disabled:) continue ;;
  esac
  say "unit $unit $state"
  case $state in
    enabled) systemctl -q enable "$unit" ;;
    disabled) systemctl -q disable "$unit" ;;
    masked) systemctl -q mask "$unit" ;;
  esac
done <"$here/units"

# A boot loader that makes its configuration from files must make it again.
if command -v update-grub >/dev/null && [ /etc/default/grub.d -nt /boot/grub/grub.cfg ]; then
  say "boot loader"
  update-grub
fi
# extlinux has one line and no such files: it is told what they say.
if [ -f /boot/extlinux/extlinux.conf ]; then
  GRUB_CMDLINE_LINUX=
  for file in /etc/default/grub.d/*.cfg; do
    [ ! -f "$file" ] || . "$file"
  done
  for word in $GRUB_CMDLINE_LINUX; do
    grep -qF " $word" /boot/extlinux/extlinux.conf && continue
    say "boot loader: $word"
    sed -i "s/^  append .*/& $word/" /boot/extlinux/extlinux.conf
  done
fi
echo "hardening: $changed changes"
