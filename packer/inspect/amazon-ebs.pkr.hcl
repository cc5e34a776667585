# A throwaway instance of the finished AMI, reached as the build instance is (template/amazon-ebs.pkr.hcl): through
# Session Manager, IMDSv2 only, encrypted. The agent is the image's own: nothing is installed to get in.
locals {
  # Whom cloud-init lets in, by distribution; all have the same root device.
  amazon_users = { "debian-12" = "admin", "debian-13" = "admin", "amazon-linux-2023" = "ec2-user" }
  amazon_tags  = { "drover:release" = var.release, "drover:inspects" = var.image }
}

source "amazon-ebs" "throwaway" {
  region              = var.region
  custom_endpoint_ec2 = var.endpoint
  # Another endpoint's credentials mean nothing to AWS's own token service.
  skip_credential_validation = var.endpoint != null
  instance_type              = var.instance_type
  subnet_id                  = var.subnet
  security_group_id          = var.security_group
  source_ami                 = var.image

  skip_create_ami = true
  # Asked for even where none is made.
  ami_name = "drover-inspect-${var.image}"

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
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

  communicator            = "ssh"
  ssh_interface           = "session_manager"
  ssh_timeout             = "10m"
  ssh_username            = local.amazon_users[var.distribution]
  temporary_key_pair_type = "ed25519"
  iam_instance_profile    = var.instance_profile

  run_tags        = merge(local.amazon_tags, { Name = "drover inspection of ${var.image}" })
  run_volume_tags = local.amazon_tags
}
