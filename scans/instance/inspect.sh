#!/bin/sh
# Looks at an image from inside an instance of it, as root: first what the boot and the image left there, untouched
# by us; then, with OpenSCAP installed on this instance alone, the benchmark. Judges nothing: it leaves one archive,
# INPUTS/result.tar.gz, owned by the login user:
#   state/  what the system said about its boot and packages; unjudged: what a booted instance cannot tell
#   root/   the image's files that the checks read, at their places; secrets and keys as placeholders
#   changelogs/  of the packages that are newer than in the release before
#   audit/  results.xml, oscap.log, stderr, exit of the audit, install.log of the scanner
#   complete  present when the script came to its end
# An answer that could not be had is missing from the archive, or its .exit file is not 0.
#
# usage: inspect.sh INPUTS   (audit.sh, apt.conf, tailoring.xml, content.xml.gz, questions, changelogs.sh, previous);
# run by sudo -i
set -u
inputs=$1
work=/run/drover
state=$work/state root=$work/root
login=${SUDO_USER:-root}
umask 077
mkdir "$work" && mkdir "$state" "$state/journal" "$root" "$work/changelogs" "$work/audit" || exit 1
export LC_ALL=C.UTF-8

say() { echo "audit: $*"; }

# ask NAME COMMAND...: its output is state/NAME, its exit code state/NAME.exit
ask() {
  name=$1
  shift
  timeout 900 "$@" >"$state/$name" 2>"$state/$name.err"
  echo $? >"$state/$name.exit"
}

say "waiting for the boot to settle"
ask system systemctl is-system-running --wait
ask cloud-init cloud-init status --wait --long
ask failed systemctl list-units --all --state=failed --plain --no-legend --full
ask restarting systemctl list-units --all --state=auto-restart --plain --no-legend --full
for unit in $(cat "$state/failed" "$state/restarting" | cut -d ' ' -f 1); do
  ask "journal/$unit" journalctl -b --no-pager -o cat -n 20 -u "$unit"
done
ask kernel uname -r
# Lines "NAME COMMAND": what Drover's own checks want to know.
mkdir "$state/own"
while read -r name command; do
  # shellcheck disable=SC2086 # a command and its words
  ask "own/$name" $command </dev/null
done <"$inputs/questions"
echo "${SUDO_UID:-}" >"$state/user-id"

say "reading the package state"
mkdir -p "$root/usr/lib"
cp /usr/lib/os-release "$root/usr/lib/"
if command -v rpm >/dev/null && [ ! -f /var/lib/dpkg/status ]; then
  ask rpm rpm -qa --queryformat \
    '%{NAME}\t%{EPOCH}\t%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{LICENSE}\t%{VENDOR}\t%{URL}\t%{SUMMARY}\n'
  # Amazon Linux is locked to the release it was made from; what is newer stands in the latest one only. Its dnf
  # passes over a repository it cannot read, which would look like "nothing is missing".
  advisories='dnf -q --releasever=latest --setopt=*.skip_if_unavailable=False updateinfo list security'
  # shellcheck disable=SC2086 # words of a command
  {
    ask dnf-updates $advisories --updates
    ask dnf-cves $advisories --updates --with-cve
    ask dnf-all $advisories --all
  }
else
  mkdir -p "$root/var/lib/dpkg"
  cp /var/lib/dpkg/status "$root/var/lib/dpkg/"
  cp -L --parents /usr/share/doc/*/copyright "$root" 2>/dev/null
fi

say "reading the changelogs of what was upgraded"
timeout 300 sh "$inputs/changelogs.sh" "$inputs/previous" "$work/changelogs"

say "measuring the contents"
ask used df --output=used --block-size=1 /
ask setuid find / -xdev -type f -perm /6000 -printf '/%P\n'

# Leftovers. What changed before this boot came with the image; what changed since is the boot's own. An image is
# never finished within the minute before its boot: a clock set right meanwhile does not matter.
say "looking for leftovers of the build"
booted=$(($(sed -n 's/^btime //p' /proc/stat) - 30))
came_with_image() { [ "$(stat -c %Z "$1")" -lt "$booted" ]; }
cannot_tell() { echo "$*" >>"$state/unjudged"; }
: >"$state/unjudged"

# mark PATH: there is such a thing, which is all we want to know of a key
mark() {
  mkdir -p "$root$(dirname "$1")"
  if [ -d "$1" ]; then mkdir -p "$root$1"; else echo placeholder >"$root$1"; fi
}
for path in /etc/ssh/ssh_host_*key* /etc/ssh/authorized_keys /etc/ssh/authorized_keys2 /etc/ssh/authorized_keys.d/* \
  /etc/ssl/private/* /etc/apt/auth.conf /etc/apt/auth.conf.d/* /var/lib/cloud/instances/* /var/lib/systemd/random-seed \
  /var/lib/systemd/credential.secret /var/log/journal/* /tmp/* /var/tmp/*; do
  [ -s "$path" ] && came_with_image "$path" && mark "$path"
done
for home in /root /home/* $(cut -d : -f 6 /etc/passwd | sort -u); do
  home=${home%/}
  for path in "$home"/.*_history "$home"/.lesshst "$home"/.viminfo "$home"/.ssh/* "$home"/.aws/credentials \
    "$home"/.aws/config "$home"/.aws/sso/cache/* "$home"/.azure/* "$home"/.config/gcloud/* "$home"/.config/gh/hosts.yml \
    "$home"/.docker/config.json "$home"/.kube/config "$home"/.terraform.d/credentials.tfrc.json "$home"/.netrc \
    "$home"/.git-credentials "$home"/.npmrc "$home"/.pypirc "$home"/.vault-token "$home"/.pgpass "$home"/.my.cnf \
    "$home"/.boto "$home"/.s3cfg; do
    [ -s "$path" ] && came_with_image "$path" && mark "$path"
  done
done
for path in /etc/machine-id /var/lib/dbus/machine-id; do
  [ -f "$path" ] && [ ! -L "$path" ] && came_with_image "$path" && mark "$path"
done
cannot_tell "SSH host keys, random seed and /tmp: the first boot replaces what the image had"

# Keys: the one this instance was launched with is ours, any other came with the image.
for file in /root/.ssh/authorized_keys* /home/*/.ssh/authorized_keys*; do
  [ -f "$file" ] || continue
  for key in $(grep -o 'AAAA[A-Za-z0-9+/=]*' "$file"); do
    grep -qsF "$key" /run/cloud-init/instance-data-sensitive.json /run/cloud-init/instance-data.json \
      /var/lib/cloud/instance/user-data.txt || mark "$file"
  done
done

# Accounts: a line of a file has no date, but a home directory has a birthday (0: the file system keeps none).
ours=" $login "
cannot_tell "the account $login and its sudo rule: cloud-init makes them on every instance, and by it we came in"
for account in $(awk -F : -v login="$login" '$3 >= 1000 && $3 < 60000 && $1 != login { print $1 ":" $6 }' /etc/passwd); do
  [ "$(stat -c %W "${account#*:}" 2>/dev/null || echo 0)" -ge "$booted" ] || continue
  ours="$ours${account%%:*} "
  cannot_tell "the account ${account%%:*}: its home was made since the boot"
done
mkdir -p "$root/etc/sudoers.d"
awk -F : -v ours="$ours" '!index(ours, " " $1 " ")' /etc/passwd >"$root/etc/passwd"
awk -F : '{ hash = $2; if (hash != "" && hash !~ /^[!*]/) hash = "$placeholder"; print $1 ":" hash ":" }' \
  /etc/shadow >"$root/etc/shadow"
for file in /etc/sudoers.d/*; do
  [ -f "$file" ] && awk -v ours="$ours" '!index(ours, " " $1 " ")' "$file" >"$root$file"
done

# From here on the instance is no longer what the image makes of it.
install_scanner() (
  umask 022
  for pause in 5 20 60; do
    if command -v oscap; then return; fi
    if command -v apt-get; then
      export DEBIAN_FRONTEND=noninteractive
      # Its logs elsewhere: the benchmark has rules about /var/log.
      apt-get -q update && apt-get -q -y -o DPkg::Lock::Timeout=300 -o "Dir::Log=$work" \
        -o "DPkg::Options::=--log=$work/dpkg.log" --no-install-recommends install openscap-scanner
    else
      dnf -q -y install openscap-scanner
    fi || sleep "$pause"
  done
  command -v oscap
)
say "installing the scanner on this instance"
install_scanner >"$work/audit/install.log" 2>&1
code=$?
if [ "$code" = 0 ]; then
  say "auditing"
  cp "$inputs/tailoring.xml" "$work/"
  cp "$inputs/apt.conf" "$work/audit/"
  gunzip -c "$inputs/content.xml.gz" >"$work/content.xml"
  started=$(date +%s)
  sh "$inputs/audit.sh" >/dev/null 2>"$work/audit/stderr"
  code=$?
  echo $(($(date +%s) - started)) >"$work/audit/seconds"
  say "oscap ended with $code"
  echo "$code" >"$work/audit/exit"
fi

: >"$work/complete"
tar -czf "$work/result.tar.gz" -C "$work" state root changelogs audit complete || exit 1
install -o "$login" -m 0600 "$work/result.tar.gz" "$inputs/result.tar.gz"
