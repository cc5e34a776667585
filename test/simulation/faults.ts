/** A scenario's image and faults as orders to the simulator, in its own words (pipeline/simulator/model/fault.ts). */
import type { FaultOrder } from '../../pipeline/simulator/model/fault.ts';
import type { FaultDraw, Scenario } from './scenario.ts';

/** How the image behaves; a good one needs no order. */
export const behaviours: Record<Scenario['image'], FaultOrder | null> = {
  good: null,
  unhealthy: { kind: 'unhealthy', imageId: 'new' },
  'never-boots': { kind: 'never-boots', imageId: 'new' },
  'turns-bad': { kind: 'unhealthy', failsAfterMs: 150_000, imageId: 'new' },
  'bad-in-a-zone': { kind: 'unhealthy', zone: 'eu-central-1b', imageId: 'new' },
  'boots-slowly': { kind: 'boots-slowly', ready: { fromMs: 10_000, toMs: 60_000 }, imageId: 'new' },
  leaks: { kind: 'leaks', fails: { fromMs: 100_000, toMs: 1_000_000 }, imageId: 'new' },
  'serves-errors': { kind: 'serves-errors', rate: 0.3, imageId: 'new' },
};

export function orderOf(fault: FaultDraw): FaultOrder {
  const when = { afterMs: fault.atS * 1000 };
  switch (fault.kind) {
    case 'server-error':
    case 'throttled':
      return { ...namedIn(fault), when, rate: fault.rate, forMs: fault.forS * 1000 };
    case 'denied':
      return { ...namedIn(fault), when, forMs: fault.forS * 1000 };
    case 'timeout':
    case 'lost-response':
      return { ...namedIn(fault), when, count: fault.count };
    case 'rate-limits':
      return { kind: fault.kind, when, forMs: fault.forS * 1000 };
    case 'late-reads':
      return {
        kind: fault.kind,
        when,
        delay: { fromMs: 0, toMs: fault.toS * 1000 },
        forMs: fault.forS * 1000,
      };
    case 'spot-interruption':
      return {
        kind: fault.kind,
        when,
        recommendedMs: fault.recommendedS * 1000,
        noticeMs: fault.noticeS * 1000,
      };
    case 'death':
      return { kind: fault.kind, when, of: fault.of };
    case 'slow-drain':
      return { kind: fault.kind, when, drainMs: fault.drainS * 1000, forMs: fault.forS * 1000 };
    case 'no-capacity': {
      const zone = fault.zone === null ? {} : { zone: `eu-central-1${fault.zone}` };
      return { kind: fault.kind, when, ...zone, count: fault.count };
    }
    case 'clock-jump':
      return { kind: fault.kind, when, byMs: fault.byS * 1000 };
  }
}

const namedIn = <K extends string>({ kind, operation }: { kind: K; operation: string }) => ({
  kind,
  operation,
});
