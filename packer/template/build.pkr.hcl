# The one build: whatever the source, the same provisioners in the same order make the image.
#
# packer/packer.ts assembles the template for the source it builds: this file with the other sources taken from the
# list, the source's own file, and for current Packer the plugin it comes from. Packer 1.6.6 (Debian's) has its
# plugins built in. What the source and the provisioners are told is in variables.pkr.hcl.

build {
  sources = [
    "source.null.chroot",
    "source.qemu.vm",
    "source.amazon-ebs.instance",
  ]

  # A booted machine: wait until it has finished booting (cloud-init still installs keys and grows the disk when
  # sshd answers), hand over the inputs, then run the scripts there as root. Through sh, because the benchmark
  # mounts /tmp noexec.
  provisioner "shell" {
    except          = ["null.chroot"]
    execute_command = "sh {{ .Path }}"
    inline          = ["cloud-init status --wait >/dev/null || true", "mkdir /tmp/drover"]
  }
  provisioner "file" {
    except      = ["null.chroot"]
    source      = "${var.inputs}/"
    destination = "/tmp/drover"
  }
  provisioner "shell" {
    except           = ["null.chroot"]
    environment_vars = ["DROVER_INPUTS=/tmp/drover"]
    execute_command  = "sudo -n env {{ .Vars }} sh {{ .Path }}"
    scripts = [
      "${var.packer}/provisioners/update.sh",
      "${var.packer}/provisioners/catalogue.sh",
      "${var.packer}/provisioners/packages.sh",
      "${var.packer}/provisioners/harden.sh",
      "${var.packer}/provisioners/cleanup.sh",
      "${var.packer}/provisioners/integrity.sh",
    ]
  }

  # A disk that is not booted: the same scripts, each in a chroot of the mounted disk.
  provisioner "shell-local" {
    only            = ["null.chroot"]
    execute_command = ["${var.packer}/chroot/run.sh", var.disk, var.inputs, "{{ .Script }}"]
    scripts = [
      "${var.packer}/provisioners/update.sh",
      "${var.packer}/provisioners/catalogue.sh",
      "${var.packer}/provisioners/packages.sh",
      "${var.packer}/provisioners/harden.sh",
      "${var.packer}/provisioners/cleanup.sh",
      "${var.packer}/provisioners/integrity.sh",
    ]
  }
}
