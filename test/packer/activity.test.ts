import { describe, expect, it } from 'vitest';
import { activity, isResult } from '../../packer/activity.ts';

describe('what a person sees of a build', () => {
  it.each([
    ['Running local shell script: /work/packer/provisioners/harden.sh', 'provisioner: harden'],
    ['Provisioning with shell script: /work/packer/provisioners/update.sh', 'provisioner: update'],
    ['Waiting for SSH to become available...', 'Waiting for SSH to become available...'],
    ["Build 'null.chroot' errored after 8 seconds", "Build 'null.chroot' errored after 8 seconds"],
    ['Setting up nftables (1.0.6-2) ...', 'setting up nftables'],
    [
      "Remediating rule 40/114: 'xccdf_org.ssgproject.content_rule_sshd_set_keepalive'",
      'remediating rule 40 of 114: sshd_set_keepalive',
    ],
  ])('%s', (text, shown) => {
    expect(activity(text)).toBe(shown);
  });

  it('the number of changes that hardening made stays, each of the changes does not', () => {
    expect(['hardening: 57 changes', 'hardening: unit nftables enabled'].map(isResult)).toEqual([
      true,
      false,
    ]);
  });

  it.each([
    'Get:1 http://mirror.example/debian bookworm InRelease',
    'grep: /run/sysctl.d/*.conf: No such file or directory',
    "Remediating rule 41/114: 'xccdf_org.ssgproject.content_rule_sshd_set_keepalive'",
    '==> Wait completed after 11 milliseconds',
    'Running local shell script: /tmp/packer-shell123',
  ])('is spared: %s', (text) => {
    expect(activity(text)).toBeUndefined();
  });
});
