/** `drover doctor`: the tools as a table, or installed. */
import { examine, install, installCommands, missing, type ToolFinding } from '../doctor/doctor.ts';
import { Refused } from '../errors.ts';
import { configOf, type Session } from './session.ts';
import { table } from './table.ts';

export async function doctor(session: Session, options: { install?: boolean }): Promise<void> {
  const { builder } = configOf(session).image;
  let findings = await examine(builder);
  const absent = missing(findings);
  if (options.install && absent.length > 0) {
    await install(absent, session.progress, session.signal);
    findings = await examine(builder);
  }
  const still = missing(findings);
  session.print(
    {
      ready: still.length === 0,
      tools: findings.map(({ tool, version, needed }) => ({
        name: tool.name,
        purpose: tool.purpose,
        version,
        needed,
        package: tool.package,
        source: tool.source ?? null,
      })),
    },
    table(['tool', 'version', 'from', 'what for'], findings.map(row)),
  );
  if (still.length > 0) {
    throw new Refused(
      'environment',
      `${still.map((tool) => tool.name).join(', ')}: not found`,
      `\`npx drover doctor --install\` as root, or:\n  ${installCommands(still).join('\n  ')}`,
    );
  }
}

const row = ({ tool, version, needed }: ToolFinding): string[] => [
  tool.name,
  version ?? (needed ? 'MISSING' : 'not needed here'),
  tool.package ? `apt: ${tool.package}` : 'see --json',
  tool.purpose,
];
