/** Machine images (AMIs) and the launch template versions that launch them. */
import {
  CreateLaunchTemplateVersionCommand,
  DescribeImagesCommand,
  type DescribeImagesRequest,
  DescribeLaunchTemplateVersionsCommand,
  type Image,
  RegisterImageCommand,
} from '@aws-sdk/client-ec2';
import { type Cloud, CloudError, type CloudImage } from '../cloud.ts';
import type { Connection } from './clients.ts';

type ImageCalls = Pick<
  Cloud,
  'findImage' | 'findImageByName' | 'registerImage' | 'templateImage' | 'createTemplateVersion'
>;

const missingImage = new Set(['InvalidAMIID.NotFound', 'InvalidAMIID.Malformed', 'InvalidAMIID.Unavailable']);
const missingVersion = new Set([
  'InvalidLaunchTemplateId.NotFound',
  'InvalidLaunchTemplateId.VersionNotFound',
]);

export function images({ ec2, call }: Connection): ImageCalls {
  const find = async (request: DescribeImagesRequest): Promise<CloudImage | null> => {
    const { Images = [] } = await call('DescribeImages', 'read', () =>
      ec2.send(new DescribeImagesCommand(request)),
    );
    return Images[0] ? imageOf(Images[0]) : null;
  };
  const findImageByName = (name: string) =>
    find({ Owners: ['self'], Filters: [{ Name: 'name', Values: [name] }] });

  return {
    findImage: (id) => orNull(missingImage, () => find({ ImageIds: [id] })),
    findImageByName,

    async registerImage({ name, description, tags }) {
      try {
        const { ImageId } = await call('RegisterImage', 'mutation', () =>
          ec2.send(
            new RegisterImageCommand({
              Name: name,
              Description: description,
              Architecture: 'x86_64',
              VirtualizationType: 'hvm',
              RootDeviceName: '/dev/xvda',
              TagSpecifications: [
                {
                  ResourceType: 'image',
                  Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
                },
              ],
            }),
          ),
        );
        return ImageId!;
      } catch (error) {
        if (!(error instanceof CloudError) || error.code !== 'InvalidAMIName.Duplicate') throw error;
        const existing = await findImageByName(name);
        if (!existing) throw error;
        return existing.id;
      }
    },

    templateImage: (templateId, version) =>
      orNull(missingVersion, async () => {
        const { LaunchTemplateVersions = [] } = await call('DescribeLaunchTemplateVersions', 'read', () =>
          ec2.send(
            new DescribeLaunchTemplateVersionsCommand({ LaunchTemplateId: templateId, Versions: [version] }),
          ),
        );
        const found = LaunchTemplateVersions[0];
        return found
          ? { version: found.VersionNumber!, imageId: found.LaunchTemplateData?.ImageId ?? null }
          : null;
      }),

    async createTemplateVersion({ templateId, sourceVersion, imageId, description, token }) {
      const { LaunchTemplateVersion } = await call('CreateLaunchTemplateVersion', 'mutation', () =>
        ec2.send(
          new CreateLaunchTemplateVersionCommand({
            LaunchTemplateId: templateId,
            SourceVersion: sourceVersion,
            LaunchTemplateData: { ImageId: imageId },
            // EC2 allows 255 characters.
            VersionDescription: description.slice(0, 255),
            ClientToken: token,
          }),
        ),
      );
      return LaunchTemplateVersion!.VersionNumber!;
    },
  };
}

async function orNull<T>(codes: Set<string>, work: () => Promise<T | null>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CloudError && codes.has(error.code)) return null;
    throw error;
  }
}

/** EC2 has more states than Drover needs to tell apart ('invalid', 'transient', 'error', 'disabled'): all unusable. */
function imageOf(image: Image): CloudImage {
  const states: Record<string, CloudImage['state']> = {
    available: 'available',
    pending: 'pending',
    transient: 'pending',
    deregistered: 'deregistered',
  };
  return {
    id: image.ImageId!,
    name: image.Name ?? '',
    state: states[image.State ?? ''] ?? 'failed',
    createdAt: image.CreationDate ?? '',
    tags: Object.fromEntries((image.Tags ?? []).map(({ Key, Value }) => [Key!, Value ?? ''])),
  };
}
