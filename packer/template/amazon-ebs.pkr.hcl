# Builds an AMI in the region: newest official base image, encrypted volume, IMDSv2 only for the build instance and
# for every instance of the image, reached through Session Manager: no port 22, no public address needed.
locals {
  # Who publishes the base image: owner account, name filter, first user, root device.
  amazon_bases = {
    # https://wiki.debian.org/Cloud/AmazonEC2Image/Bookworm
    "debian-12" = { owner = "136693071363", name = "debian-12-amd64-*", user = "admin", root = "/dev/xvda" }
    "debian-13" = { owner = "136693071363", name = "debian-13-amd64-*", user = "admin", root = "/dev/xvda" }
    # https://docs.aws.amazon.com/linux/al2023/ug/naming-and-versioning.html
    "amazon-linux-2023" = { owner = "137112412989", name = "al2023-ami-2023.*-kernel-*-x86_64", user = "ec2-user", root = "/dev/xvda" }
  }
  amazon_base = local.amazon_bases[var.distribution]
}

source "amazon-ebs" "instance" {
  region              = var.region
  custom_endpoint_ec2 = var.endpoint
  # Another endpoint's credentials mean nothing to AWS's own token service.
  skip_credential_validation = var.endpoint != null
  instance_type              = var.instance_type
  subnet_id                  = var.subnet
  security_group_id          = var.security_group

  source_ami_filter {
    owners      = [local.amazon_base.owner]
    most_recent = true
    filters = {
      name                = local.amazon_base.name
      architecture        = "x86_64"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }

  ami_name        = var.image_name
  ami_description = "Built by Drover from {{ .SourceAMIName }} ({{ .SourceAMI }})"
  ami_users       = var.share_with
  snapshot_users  = var.share_with
  imds_support    = "v2.0"
  # The volume is encrypted from the launch on, so the image is: asked for it once more (encrypt_boot), Packer would make
  # the image, copy it and delete the first.
  launch_block_device_mappings {
    device_name           = local.amazon_base.root
    volume_size           = 8
    volume_type           = "gp3"
    encrypted             = true
    kms_key_id            = var.kms_key
    delete_on_termination = true
  }
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  communicator              = "ssh"
  ssh_interface             = "session_manager"
  ssh_username              = local.amazon_base.user
  temporary_key_pair_type   = "ed25519"
  ssh_clear_authorized_keys = true
  iam_instance_profile      = var.instance_profile
  # Debian's images come without the Session Manager agent; Amazon Linux has it.
  user_data = var.distribution == "amazon-linux-2023" ? null : <<-END
    #cloud-config
    runcmd:
      - [sh, -ec, "curl -fsSo /run/agent.deb https://s3.${var.region}.amazonaws.com/amazon-ssm-${var.region}/latest/debian_amd64/amazon-ssm-agent.deb && dpkg -i /run/agent.deb && systemctl enable --now amazon-ssm-agent"]
    END

  tags = merge(var.lineage, {
    "drover:base-image"      = "{{ .SourceAMI }}"
    "drover:base-image-name" = "{{ .SourceAMIName }}"
  })
  run_tags        = merge(var.lineage, { Name = "drover build of ${var.image_name}" })
  run_volume_tags = var.lineage
}
