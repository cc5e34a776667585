# Not a build: Packer launches a throwaway instance of a finished image, hands it one directory, runs one script
# there as root, fetches one archive, and terminates the instance whatever happened. No image comes of it.
build {
  sources = [
    "source.null.machine",
    "source.amazon-ebs.throwaway",
  ]

  provisioner "shell" {
    # Through sh, because the benchmark mounts /tmp noexec.
    execute_command = "sh {{ .Path }}"
    inline          = ["umask 077", "mkdir /tmp/drover"]
  }
  provisioner "file" {
    source      = "${var.inputs}/"
    destination = "/tmp/drover"
  }
  provisioner "shell" {
    execute_command = "sh {{ .Path }}"
    # A login of root's own: some rules are about root's environment.
    inline = ["sudo -n -i sh /tmp/drover/inspect.sh /tmp/drover"]
  }
  provisioner "file" {
    direction   = "download"
    source      = "/tmp/drover/result.tar.gz"
    destination = var.archive
  }
}
