/**
 * Runs the user's vulnerability scanners over the image's bill of materials, which every image has, wherever it is.
 * Decides how a scanner is called and what its answer is read as; a scanner that fails, takes too long or answers in
 * another format is an error, never an empty report.
 */
import { execa } from 'execa';
import { lastLine } from '../text.ts';
import { parseGrype } from './grype.ts';
import { parseInspector } from './inspector.ts';
import type { ScannerReport } from './report-shape.ts';
import { parseTrivy } from './trivy.ts';

export const reportFormats = { trivy: parseTrivy, grype: parseGrype, inspector: parseInspector };

export interface ScannerCommand {
  format: keyof typeof reportFormats;
  /** `{sbom}` stands for the path of the CycloneDX file, `{image}` for the image's id. Standard output is the report. */
  argv: readonly string[];
  timeoutMs: number;
}

/** Far above any report of one image; a scanner that writes more has lost its way. */
const largestReportBytes = 256 * 1024 * 1024;

/** @throws Error naming the scanner and what is wrong with it or its answer */
export async function runScanner(
  { format, argv, timeoutMs }: ScannerCommand,
  subject: { sbomPath: string; imageId: string },
  signal?: AbortSignal,
): Promise<{ text: string; report: ScannerReport }> {
  const [program = '', ...words] = argv.map((word) =>
    word.replaceAll('{sbom}', subject.sbomPath).replaceAll('{image}', subject.imageId),
  );
  const result = await execa(program, words, {
    stdin: 'ignore',
    reject: false,
    timeout: timeoutMs,
    maxBuffer: largestReportBytes,
    ...(signal && { cancelSignal: signal }),
  });
  signal?.throwIfAborted();
  if (result.timedOut) throw new Error(`${program} did not answer within ${timeoutMs / 1000} s`);
  // Scanners warn there, in colour too, before they say what ended them.
  if (result.failed) throw new Error(`${program}: ${lastLine(result.stderr) || result.shortMessage}`);
  return { text: result.stdout, report: reportFormats[format](result.stdout) };
}
