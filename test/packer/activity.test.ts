import { describe, expect, it } from 'vitest';
import { activity } from '../../packer/activity.ts';

describe('what a person sees of a build', () => {
  it.each([
    ['say', 'Running local shell script: /work/packer/provisioners/harden.sh', 'provisioner: harden'],
    ['say', 'Provisioning with shell script: /work/packer/provisioners/update.sh', 'provisioner: update'],
    ['say', 'Waiting for SSH to become available...', 'Waiting for SSH to become available...'],
    ['error', "Build 'null.chroot' errored after 8 seconds", "Build 'null.chroot' errored after 8 seconds"],
    ['message', 'audit: 219 rules pass, 114 to remediate', 'audit: 219 rules pass, 114 to remediate'],
    ['message', 'Setting up nftables (1.0.6-2) ...', 'setting up nftables'],
    [
      'error',
      "Remediating rule 40/114: 'xccdf_org.ssgproject.content_rule_sshd_set_keepalive'",
      'remediating rule 40 of 114: sshd_set_keepalive',
    ],
  ])('%s: %s', (kind, text, shown) => {
    expect(activity(kind, text)).toBe(shown);
  });

  it.each([
    ['message', 'Get:1 http://mirror.example/debian bookworm InRelease'],
    ['error', 'grep: /run/sysctl.d/*.conf: No such file or directory'],
    ['message', "Remediating rule 41/114: 'xccdf_org.ssgproject.content_rule_sshd_set_keepalive'"],
    ['say', '==> Wait completed after 11 milliseconds'],
    ['say', 'Running local shell script: /tmp/packer-shell123'],
  ])('is spared %s: %s', (kind, text) => {
    expect(activity(kind, text)).toBeUndefined();
  });
});
