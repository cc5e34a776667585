#!/bin/sh
# Mounts the file systems of a raw disk below ROOT as the system on it would:
#   mount.sh DISK ROOT [OPTIONS]
# The disk's partition table says where each belongs: a partition is named by its mount point (see base-disk.ts).
# OPTIONS are mount's, e.g. ro,noload. `umount -R ROOT` takes all of them away again; mount's own loop devices go
# with them. Works without udev: partitions are found by offset, not by device node.
set -eu
disk=$1 root=$2 options=${3:+$3,}loop

# A container's /dev is a copy and may lack the nodes of loop devices the kernel would give us, one for each file
# system. Where none may be made, mount says what is missing.
number=0
while [ "$number" -lt 16 ]; do
  [ -e "/dev/loop$number" ] || mknod -m 660 "/dev/loop$number" b 7 "$number" 2>/dev/null || :
  number=$((number + 1))
done

# Parents sort before what is mounted within them.
partitions=$(sfdisk --dump "$disk" |
  sed -n 's/.*start= *\([0-9]*\), size= *\([0-9]*\),.* name="\(\/[^"]*\)".*/\3 \1 \2/p' | LC_ALL=C sort)
case $partitions in
  '/ '*) ;;
  *) echo "$disk has no partition named '/': it is not a disk Drover made" >&2; exit 1 ;;
esac
printf '%s\n' "$partitions" | while read -r point start size; do
  mkdir -p "$root$point"
  mount -t ext4 -o "$options,offset=$((start * 512)),sizelimit=$((size * 512))" "$disk" "$root$point"
done
