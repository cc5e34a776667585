/** A data stream in the shape ComplianceAsCode publishes, with three rules, of which two are selected, and one value. */
export const dataStream = `<?xml version="1.0"?>
<ds:data-stream-collection>
<ds:data-stream id="x" timestamp="2026-09-07T19:17:46"></ds:data-stream>
<xccdf-1.2:Profile id="xccdf_org.ssgproject.content_profile_cis_level1_server">
<xccdf-1.2:select idref="xccdf_org.ssgproject.content_rule_sshd_disable_root_login" selected="true"/>
<xccdf-1.2:select idref="xccdf_org.ssgproject.content_rule_package_ufw_installed" selected="true"/>
</xccdf-1.2:Profile>
${['sshd_disable_root_login', 'package_ufw_installed', 'service_nftables_enabled']
  .map(
    (name) =>
      `<xccdf-1.2:Rule selected="false" id="xccdf_org.ssgproject.content_rule_${name}" severity="low"/>`,
  )
  .join('\n')}
<xccdf-1.2:Value id="xccdf_org.ssgproject.content_value_var_accounts_tmout" type="number">
<xccdf-1.2:value selector="15_min">900</xccdf-1.2:value><xccdf-1.2:value>600</xccdf-1.2:value>
</xccdf-1.2:Value>
</ds:data-stream-collection>`;
