/** Every kind the catalogue may speak of, by the name rows use. In the order their changes are best read. */
import { access } from './access.ts';
import { firewall } from './firewall.ts';
import { group } from './group.ts';
import { kernelModule } from './kernel-module.ts';
import type { Kind } from './kind.ts';
import { loginShell } from './login-shell.ts';
import { mode } from './mode.ts';
import { mount } from './mount.ts';
import { packages } from './package.ts';
import { pam } from './pam.ts';
import { service } from './service.ts';
import { coredump, faillock, journald, loginDefs, pwquality, useradd } from './settings.ts';
import { sshd } from './sshd.ts';
import { sudo } from './sudo.ts';
import { sysctl } from './sysctl.ts';
import { text } from './text.ts';

export const kinds = {
  package: packages,
  sysctl,
  'kernel-module': kernelModule,
  sshd,
  pam,
  'login-defs': loginDefs,
  useradd,
  faillock,
  pwquality,
  journald,
  coredump,
  sudo,
  access,
  text,
  mount,
  firewall,
  group,
  'login-shell': loginShell,
  service,
  mode,
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof kinds;
export const kindNames = Object.keys(kinds) as [KindName, ...KindName[]];
