/** The option --fault: a kind alone, or a whole fault as JSON. */
import { Refused } from '../errors.ts';
import { type Fault, faultKinds, readFault } from '../simulator/model/fault.ts';

const example = `Give a kind (${faultKinds.join(', ')}) or a fault as JSON, e.g. '{"kind":"no-capacity","count":3}'.`;

/** @throws Refused that names the option, what is wrong with it, and what could be given */
export function faultOf(text: string): Fault {
  try {
    return readFault(text.startsWith('{') ? JSON.parse(text) : { kind: text });
  } catch (error) {
    if (!(error instanceof Refused) && !(error instanceof SyntaxError)) throw error;
    throw new Refused('invalid', `--fault ${text}: ${error.message}`, example, { cause: error });
  }
}
