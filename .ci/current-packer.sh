#!/bin/sh
# Checks the template with current Packer, which Debian does not have: builds Packer and its plugins from pinned
# Go modules and validates every source with them. Says plainly what it could not check, and why.
# Binaries are kept in the cache; the first run takes several minutes.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/.ci/go-module.sh"
packer=v1.15.0
amazon=v1.8.0
qemu=v1.1.4

go_missing 'current Packer' && exit 0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/drover/current-packer
mkdir -p "$cache"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CHECKPOINT_DISABLE=1 PACKER_PLUGIN_PATH="$work/plugins" PACKER_CONFIG_DIR="$work/config"
mkdir "$work/config"

# build NAME VERSION MODULE: $cache/NAME-VERSION, or false if the module proxy does not serve it.
build() {
  binary=$cache/$1-$2
  [ ! -x "$binary" ] || return 0
  source_of "$3@$2" "$work/source" || return 1
  echo "current Packer: building $3 $2"
  built "$work/source" "$binary" .
}

# validate SOURCE [PLUGIN [FOLDER]]: the template as packer/packer.ts assembles it.
validate() {
  source=$1 plugin=${2:-} folder=${3:-template} template=$work/$1
  "$here/node_modules/.bin/node" --input-type=module -e '
    const [room, directory, only, folder] = process.argv.slice(1);
    const { assembleTemplate } = await import(`${room}/packer.ts`);
    await assembleTemplate(directory, { text: "current", bundlesPlugins: false }, only, folder);
  ' "$here/packer" "$template" "$source" "$folder"
  [ -z "$plugin" ] || "$cache/packer-$packer" init "$template"
  case $folder in
    inspect) set -- -var archive="$work/result.tar.gz" -var image=ami-0123456789abcdef0 ;;
    *) set -- -var packer="$here/packer" -var disk="$work/disk.raw" -var seed="$work" \
      -var output_directory="$work/output" -var image_name=test ;;
  esac
  for distribution in debian-12 debian-13 amazon-linux-2023; do
    "$cache/packer-$packer" validate -only="$source" -var inputs="$work" -var region=eu-central-1 \
      -var instance_profile=drover-build -var ssh_private_key_file="$work/key" \
      -var distribution="$distribution" "$@" "$template" >"$work/log" ||
      { cat "$work/log"; exit 1; }
  done
  echo "current Packer: $source is valid with Packer $packer${plugin:+ and $plugin}"
}

build packer "$packer" github.com/hashicorp/packer || {
  not_served 'current Packer' "github.com/hashicorp/packer@$packer"
  exit 0
}
: >"$work/disk.raw"
ssh-keygen -q -t ed25519 -N '' -f "$work/key"

# check SOURCE PLUGIN VERSION [FOLDER]
check() {
  module=github.com/hashicorp/packer-plugin-$2
  if build "packer-plugin-$2" "$3" "$module"; then
    "$cache/packer-$packer" plugins install --path "$cache/packer-plugin-$2-$3" "github.com/hashicorp/$2" >/dev/null
    validate "$1" "packer-plugin-$2 $3" "${4:-template}"
  else
    not_served "current Packer: $1" "$module@$3"
  fi
}

validate null.chroot
check amazon-ebs.instance amazon "$amazon"
check amazon-ebs.throwaway amazon "$amazon" inspect
check qemu.vm qemu "$qemu"

if [ -x "$cache/packer-plugin-amazon-$amazon" ]; then
  echo "current Packer: amazon-ebs against the simulator"
  (cd "$here" && DROVER_PACKER="$cache/packer-$packer" DROVER_REQUIRE_CONFORMANCE=packer \
    npx vitest run test/conformance/packer.test.ts)
fi
