# Boots a copy of the base disk and provisions it there, where virtualization is real.
source "qemu" "vm" {
  disk_image       = true
  iso_url          = var.disk
  iso_checksum     = "none"
  skip_resize_disk = true
  skip_compaction  = true
  format           = "qcow2"
  vm_name          = "disk.qcow2"
  output_directory = var.output_directory

  accelerator    = var.accelerator
  headless       = true
  cpus           = 2
  memory         = 2048
  net_device     = "virtio-net"
  disk_interface = "virtio"
  disk_discard   = "unmap"
  boot_wait      = "1s"
  qemuargs = [
    ["-cpu", var.cpu],
    # cloud-init's NoCloud source finds its address in the machine's serial number.
    ["-smbios", "type=1,serial=ds=nocloud-net;s=http://10.0.2.2:{{ .HTTPPort }}/"],
    ["-device", "virtio-net,netdev=user.0"],
    ["-device", "virtio-rng-pci"],
  ]
  http_directory = var.seed

  communicator         = "ssh"
  ssh_username         = "build"
  ssh_private_key_file = var.ssh_private_key_file
  ssh_timeout          = "10m"

  # The build's user goes last, from a shell of root's that no longer needs it.
  shutdown_command = "sudo -n sh -c 'rm -rf /tmp/drover /etc/sudoers.d/90-cloud-init-users; userdel -f -r build; systemctl poweroff'"
  shutdown_timeout = "5m"
}
