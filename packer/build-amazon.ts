/** Placeholder while the real one is being written. */
export async function buildAmazonImage(
  _: unknown,
): Promise<{
  imageId: string;
  tools: Record<string, string>;
  provisionersSha256: string;
  base: { id: string; description: string; inputs: Record<string, string> };
}> {
  throw new Error('not yet');
}
