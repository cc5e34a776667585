# Builds on the mounted disk itself, without booting it: no virtualization needed, native speed.
source "null" "chroot" {
  communicator = "none"
}
