/**
 * Packer's own amazon-ebs builder builds an image on the simulator: it looks up the base image, makes a key pair and
 * a security group, launches, stops, images and terminates an instance, and tags what it made.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  DescribeImagesCommand,
  DescribeKeyPairsCommand,
  DescribeSnapshotsCommand,
} from '@aws-sdk/client-ec2';
import { describe, expect, test } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { packer as packerStatements, policy } from '../../pipeline/cloud/aws/permissions.ts';
import { startSimulator } from '../../pipeline/simulator/server.ts';
import { emptyWorld } from '../../pipeline/simulator/world.ts';
import { clientsAt } from '../simulator/clients.ts';
import { allowing } from './iam.ts';
import { available } from './optional.ts';
import { recordCalls } from './recorded-calls.ts';

const run = promisify(execFile);

const packer = {
  name: 'packer',
  command: process.env.DROVER_PACKER ?? 'packer',
  probe: ['version'],
  remedy: 'apt-get install packer, or name one in DROVER_PACKER.',
};

/** Both 1.6.6, which bundles the amazon builder, and current Packer, which needs its plugin installed, read JSON. */
const template = (endpoint: string) => ({
  builders: [
    {
      type: 'amazon-ebs',
      access_key: 'simulator',
      secret_key: 'simulator',
      region: 'eu-central-1',
      custom_endpoint_ec2: endpoint,
      skip_region_validation: true,
      source_ami_filter: {
        filters: { name: 'debian-12-amd64-*', 'root-device-type': 'ebs', 'virtualization-type': 'hvm' },
        owners: ['136693071363'],
        most_recent: true,
      },
      instance_type: 't3.small',
      communicator: 'none',
      ami_name: 'drover-conformance',
      launch_block_device_mappings: [
        {
          device_name: '/dev/xvda',
          volume_size: 12,
          volume_type: 'gp2',
          delete_on_termination: true,
          encrypted: true,
        },
      ],
      tags: { 'drover:release': 'r1' },
      snapshot_tags: { 'drover:release': 'r1' },
      run_tags: { 'drover:release': 'r1' },
    },
  ],
});

/** What this build has no use for, and who has. */
const elsewhere: Record<string, string> = {
  'ec2:DeleteSnapshot': 'a build that fails or is interrupted when its image exists',
  'ec2:DeregisterImage': 'likewise',
  'ec2:DescribeRegions': 'whether the region exists, which this build does not ask',
  'ec2:DescribeVpcs': 'a security group is made, or a network found, where the configuration names one',
  'ec2:DescribeSubnets': 'likewise',
  'ec2:DescribeInstanceTypeOfferings': 'likewise',
  'ec2:ModifyImageAttribute': 'amazon.share_with, and images that ask for IMDSv2',
  'ec2:ModifySnapshotAttribute': 'amazon.share_with',
  'iam:GetInstanceProfile': 'amazon.instance_profile',
  'kms:CreateGrant': 'amazon.kms_key',
  'kms:Decrypt': 'amazon.kms_key',
  'kms:DescribeKey': 'amazon.kms_key',
  'kms:GenerateDataKeyWithoutPlaintext': 'amazon.kms_key',
  'kms:ReEncryptFrom': 'amazon.kms_key',
  'kms:ReEncryptTo': 'amazon.kms_key',
  'ssm:StartSession': 'the build instance is reached; this one is left alone',
  'ssm:ResumeSession': 'likewise',
  'ssm:TerminateSession': 'likewise',
};

describe('packer', () => {
  if (!available(packer)) return;
  test('amazon-ebs builds an image with its tags and leaves nothing else behind', async () => {
    const timing = { bootMs: 100, warmUpMs: 100, terminateMs: 100, imageMs: 100 };
    const server = await startSimulator({
      world: () => emptyWorld({ nowMs: wallClock.now(), timing }),
      statePath: null,
      clock: wallClock,
    });
    const requests = recordCalls(server);
    try {
      const directory = mkdtempSync(join(tmpdir(), 'drover-packer-'));
      const path = join(directory, 'template.json');
      writeFileSync(path, JSON.stringify(template(server.endpoint)));
      const { stdout } = await run(packer.command, ['build', '-machine-readable', path], {
        cwd: directory,
        env: {
          ...process.env,
          AWS_POLL_DELAY_SECONDS: '1',
          CHECKPOINT_DISABLE: '1',
          // Current Packer asks STS who it is before it builds.
          AWS_ENDPOINT_URL: server.endpoint,
        },
      });
      const id = /artifact,0,id,eu-central-1:(ami-[0-9a-f]+)/.exec(stdout)?.[1];
      const requestsOfPacker = requests.length;
      const { ec2 } = clientsAt(server.endpoint);
      const { Images } = await ec2.send(new DescribeImagesCommand({ Owners: ['self'] }));
      expect(Images).toHaveLength(1);
      expect(Images![0]).toMatchObject({
        ImageId: id,
        Name: 'drover-conformance',
        State: 'available',
        Tags: [{ Key: 'drover:release', Value: 'r1' }],
        BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 12, Encrypted: true } }],
      });
      const { Snapshots } = await ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'] }));
      expect(Snapshots!.map(({ SnapshotId, Tags }) => ({ SnapshotId, Tags }))).toEqual([
        {
          SnapshotId: Images![0]!.BlockDeviceMappings![0]!.Ebs!.SnapshotId,
          Tags: [{ Key: 'drover:release', Value: 'r1' }],
        },
      ]);
      expect((await ec2.send(new DescribeKeyPairsCommand({}))).KeyPairs).toEqual([]);
      const states = Object.values(server.simulator.world.instances).map(({ state }) => state);
      expect(states).toEqual(['terminated']);
      expect([...server.simulator.gaps.keys()]).toEqual([]);

      // The role the README describes may do all of it, and nothing is allowed for Packer without a reason.
      const made = requests.slice(0, requestsOfPacker);
      const { Statement: statements } = policy();
      const denied = made.filter((request) => allowing(statements, request).length === 0);
      expect(made.map(({ action }) => action)).toContain('ec2:RunInstances');
      expect(denied.filter(({ action }) => !action.startsWith('other:'))).toEqual([]);
      const used = new Set(made.map(({ action }) => action));
      const allowed = new Set(packerStatements.flatMap(({ Action }) => Action));
      expect(allowed.difference(used)).toEqual(new Set(Object.keys(elsewhere)).difference(used));
    } finally {
      await server.close();
    }
  });
});
