/**
 * The gates that judge the service a group gives rather than one of its instances: alarms and queries. They are asked
 * from before the first change until the soak is over. A return is not asked: what it undoes is what they judge.
 */

import type { Questions, Reply } from '../questions.ts';
import type { Http } from '../services/http.ts';
import type { Answer, Assignment } from '../state.ts';
import { type AlarmReading, alarms } from './alarms.ts';
import { combined, standingOf } from './gates.ts';
import { prometheus } from './prometheus.ts';

export function askGroup(
  { goal, spec }: Assignment,
  reading: Reply<AlarmReading>,
  { questions, http }: { questions: Questions; http: Http },
): Answer {
  if (goal.kind !== 'replace') return combined([]);
  return combined(
    spec.gates.flatMap((gate) => {
      switch (gate.type) {
        case 'alarms': {
          const answer = reading.answer && combined(alarms(gate, reading.answer));
          return standingOf({ answer, isNew: reading.isNew }, 'alarms');
        }
        case 'prometheus': {
          const name = `prometheus ${spec.group} ${gate.name}`;
          const reply = questions.ask(name, (signal) => prometheus(gate, { http, signal }));
          return standingOf(reply, gate.name);
        }
        default:
          return [];
      }
    }),
  );
}
