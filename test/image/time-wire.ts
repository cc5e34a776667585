/**
 * A network cable with one clock at its other end: QEMU sends what the machine's second card says as datagrams to a
 * socket here, on loopback, which answers as 169.254.169.123 does in every VPC, and nothing else. No packet of the
 * machine's can get any further.
 *
 * ARP: RFC 826. IPv4, UDP: RFC 791, RFC 768. NTP, client and server mode: RFC 5905, section 7.3.
 */
import { createSocket, type Socket } from 'node:dgram';

const clockAddress = Buffer.from([169, 254, 169, 123]);
const clockCard = Buffer.from('525400000123', 'hex');
const machineCard = '52:54:00:00:01:24';

/** Gives the card an address in the network where the clock is; a VPC's router does what this mask does here. */
export const connectTime = [
  `card=$(basename "$(dirname "$(grep -lx ${machineCard} /sys/class/net/*/address)")")`,
  'ip address add 169.254.169.124/16 dev "$card"',
  'ip link set "$card" up',
].join('\n');

export interface TimeWire {
  /** Of QEMU, for the machine's end. */
  arguments: string[];
  close(): void;
}

/** @param now what the clock says, milliseconds since the epoch */
export async function openTimeWire(now: () => number): Promise<TimeWire> {
  const ours = await bound();
  // QEMU binds its own end: a port that was free a moment ago.
  const free = await bound();
  const port = free.address().port;
  free.close();
  ours.on('message', (frame) => {
    const answer = answerTo(frame, now());
    if (answer) ours.send(answer, port, '127.0.0.1');
  });
  const ends = `udp=127.0.0.1:${ours.address().port},localaddr=127.0.0.1:${port}`;
  return {
    arguments: [
      ...['-netdev', `socket,id=time,${ends}`],
      ...['-device', `virtio-net-pci,netdev=time,mac=${machineCard}`],
    ],
    close: () => ours.close(),
  };
}

const bound = (): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => resolve(socket));
  });

/** The frame that answers an Ethernet frame: to a question for the clock's card, or for the time. */
export function answerTo(frame: Buffer, now: number): Buffer | undefined {
  const type = frame.length < 42 ? 0 : frame.readUInt16BE(12);
  const asker = frame.subarray(6, 12);
  if (type === 0x0806 && frame.readUInt16BE(20) === 1 && clockAddress.equals(frame.subarray(38, 42))) {
    const who = Buffer.concat([asker, frame.subarray(28, 32)]);
    const header = Buffer.from('00010800060400' + '02', 'hex');
    return Buffer.concat([ethernet(asker, type), header, clockCard, clockAddress, who]);
  }
  const udp = 14 + (frame[14]! & 15) * 4;
  const isForClock = type === 0x0800 && frame[23] === 17 && clockAddress.equals(frame.subarray(30, 34));
  if (!isForClock || frame.readUInt16BE(udp + 2) !== 123) return undefined;
  const question = frame.subarray(udp + 8);
  // Mode 3: a client's.
  if (question.length < 48 || (question[0]! & 7) !== 3) return undefined;
  return Buffer.concat([
    ethernet(asker, type),
    ipv4(frame.subarray(26, 30), 8 + 48),
    words([123, frame.readUInt16BE(udp), 8 + 48, 0]),
    ntp(question, now),
  ]);
}

const ethernet = (to: Buffer, type: number): Buffer => Buffer.concat([to, clockCard, words([type])]);

function ipv4(to: Buffer, bytes: number): Buffer {
  // Version and header length, whole length; no fragments; 64 hops, UDP.
  const header = Buffer.concat([words([0x4500, 20 + bytes, 0, 0, 0x4011, 0]), clockAddress, to]);
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  header.writeUInt16BE(~(sum + (sum >>> 16)) & 0xffff, 10);
  return header;
}

function ntp(question: Buffer, now: number): Buffer {
  const answer = Buffer.alloc(48);
  // No warning, the asker's version, mode 4: a server's. Stratum 1, precise to a microsecond.
  answer.set([(question[0]! & 0b111000) | 4, 1, question[2]!, 0xec]);
  answer.write('GPS', 12);
  const time = Buffer.alloc(8);
  // Seconds since 1900, and their 32-bit fraction.
  time.writeUInt32BE(Math.floor(now / 1000) + 2_208_988_800, 0);
  time.writeUInt32BE(Math.floor(((now % 1000) / 1000) * 2 ** 32), 4);
  // When the clock was set, the question sent, the question heard, the answer sent.
  Buffer.concat([time, question.subarray(40, 48), time, time]).copy(answer, 16);
  return answer;
}

function words(values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) buffer.writeUInt16BE(value, index * 2);
  return buffer;
}
