#!/bin/sh
# Runs one provisioner script inside a disk image, without booting it:
#   run.sh DISK INPUTS SCRIPT
# DISK is a raw disk as base-disk.ts makes them. INPUTS is a directory the script finds
# at $DROVER_INPUTS. Everything happens in mount and process namespaces of its own, so that whatever ends this
# script (an error, Ctrl-C, SIGKILL) the kernel takes down the mounts, the loop devices and stray daemons.
# Nothing the script does can reach this machine's kernel settings, devices or firewall.
set -eu

if [ "${DROVER_NAMESPACE:-}" != own ]; then
  DROVER_NAMESPACE=own exec unshare --mount --pid --fork --kill-child --propagation private -- "$0" "$@"
fi

disk=$1 inputs=$2 script=$3
root=$(mktemp -d)
trap 'exit 130' INT TERM
# With the namespace's last process the mounts go; the empty directory is all that is left to remove.
trap 'cd /; umount -R "$root" 2>/dev/null || umount -R -l "$root" 2>/dev/null || :; rmdir "$root" 2>/dev/null || :' EXIT

"${0%/*}/mount.sh" "$disk" "$root"

# A /dev, /run and /proc of its own: a fix that remounts /dev/shm or writes a sysctl must not find ours.
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for node in null:3 zero:5 full:7 random:8 urandom:9; do
  mknod -m 666 "$root/dev/${node%:*}" c 1 "${node#*:}"
done
mknod -m 666 "$root/dev/tty" c 5 0
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t proc proc "$root/proc"
for path in sys sysrq-trigger; do
  [ -e "$root/proc/$path" ] || continue
  mount --bind "$root/proc/$path" "$root/proc/$path"
  mount -o remount,bind,ro "$root/proc/$path"
done
mount --bind /sys "$root/sys"
mount -o remount,bind,ro "$root/sys"

# Name resolution as this machine has it; behind systemd-resolved's symlink that lands in the private /run.
resolv=$(chroot "$root" readlink -m /etc/resolv.conf)
case $resolv in
  /run/*) mkdir -p "$root${resolv%/*}" && cat /etc/resolv.conf >"$root$resolv" ;;
  *) [ -e "$root$resolv" ] || : >"$root$resolv"; mount --bind /etc/resolv.conf "$root$resolv" ;;
esac
[ ! -e "$root/etc/hosts" ] || mount --bind /etc/hosts "$root/etc/hosts"

# Packages must not start their services here (Debian Policy 9.3.3.2), and systemctl must not claim that every
# unit is active, as it does in a chroot. Bind mounts, so that nothing of either is left in the image.
printf '#!/bin/sh\nexit 101\n' >"$root/run/policy-rc.d"
cp "$root/usr/bin/systemctl" "$root/run/systemctl.real"
cat >"$root/run/systemctl" <<'END'
#!/bin/sh
for argument; do
  case $argument in
    is-active) echo inactive; exit 3 ;;
    is-system-running) echo offline; exit 1 ;;
    -*) ;;
    *) break ;;
  esac
done
exec /run/systemctl.real "$@"
END
chmod 755 "$root/run/policy-rc.d" "$root/run/systemctl"
policy=$root/usr/sbin/policy-rc.d
if [ -e "$policy" ]; then made=; else made=yes; : >"$policy"; fi
mount --bind "$root/run/policy-rc.d" "$policy"
mount --bind "$root/run/systemctl" "$root/usr/bin/systemctl"

mkdir "$root/run/drover"
cp -R "$inputs/." "$root/run/drover/"
cp "$script" "$root/run/drover/provisioner.sh"

status=0
chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM=dumb \
  DROVER_INPUTS=/run/drover DROVER_CHROOT=yes sh /run/drover/provisioner.sh </dev/null || status=$?

umount "$root/usr/bin/systemctl" "$policy"
[ -z "$made" ] || rm -f "$policy"
exit "$status"
