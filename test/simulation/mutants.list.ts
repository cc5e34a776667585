/**
 * Ways in which an engine goes wrong, one line each. Simulation must catch every one (mutations.test.ts): a rule that
 * lets one through guards nothing.
 */
import type { Mutant } from './mutants.ts';

export const mutants: readonly Mutant[] = [
  // Capacity.
  {
    name: 'drains one more than may be spared',
    file: 'rollout/decision/victims.ts',
    find: 'Math.max(0, view.serving.length - view.floor - leavingSoon)',
    replace: 'Math.max(0, view.serving.length - view.floor - leavingSoon + 1)',
  },
  {
    name: 'takes what is registered for what serves',
    file: 'rollout/gates/target-health.ts',
    find: "state !== 'healthy';",
    replace: "state !== 'healthy' && state !== 'initial' && state !== 'unhealthy';",
  },
  {
    name: 'does not ask the target groups at all',
    file: 'rollout/gates/gates.ts',
    find: 'return targetHealth(subject);',
    replace: "return { status: 'passed', source: 'target-health', reason: '' };",
  },
  {
    name: 'counts a drained victim as serving',
    file: 'rollout/decision/health.ts',
    find: "if (instance.lifecycle !== 'InService' || memory.drains[instance.id]) return false;",
    replace: "if (instance.lifecycle !== 'InService') return false;",
  },
  {
    name: 'rounds what may be unavailable up',
    file: 'rollout/decision/view.ts',
    find: 'Math.floor(unavailable.fraction * desired)',
    replace: 'Math.ceil(unavailable.fraction * desired)',
  },
  {
    name: 'raises desired by one too many',
    file: 'rollout/decision/view.ts',
    find: 'wanted + Math.min(surge, active);',
    replace: 'wanted + Math.min(surge + 1, active);',
  },
  {
    name: 'never decrements',
    file: 'rollout/decision/victims.ts',
    find: 'action(removed, true,',
    replace: 'action(removed, false,',
  },
  {
    name: 'takes the first pass of an instance for all it needs',
    file: 'rollout/decision/health.ts',
    find: 'onTrial(assignment, instance) ? assignment.spec.passes : 1;',
    replace: '1;',
  },
  // Canary.
  {
    name: 'knows no limit of a canary',
    file: 'rollout/decision/view.ts',
    find: "strategy.type === 'canary' && goal.kind === 'replace' && !canary.isOver",
    replace: 'false && canary.isOver && goal.version && strategy.type',
  },
  {
    name: 'does not count the surge towards a canary',
    file: 'rollout/decision/view.ts',
    find: '    Math.max(0, vacancies),',
    replace: '    Number.POSITIVE_INFINITY,',
  },
  {
    name: 'widens a canary before it has soaked',
    file: 'rollout/decision/canary.ts',
    find: 'if (now - canary.provenSince < strategy.soakMs) return [];',
    replace: '',
  },
  // The gates over the group.
  {
    name: 'ignores alarms',
    file: 'rollout/gates/alarms.ts',
    find: "case 'ALARM':",
    replace: "case 'ALARM':\n        return { status: 'passed', source, reason: '' };",
  },
  // Auto Scaling's own refresh.
  {
    name: 'lets a refresh follow the latest version',
    file: 'cloud/aws/refreshes.ts',
    find: 'pinned(current, String(version))',
    replace: "pinned(current, '$Latest')",
  },
  {
    name: 'lets a refresh go on after a gate has failed',
    file: 'rollout/decision/refresh-request.ts',
    find: "underWay.has(status) && status !== 'Cancelling' && status !== 'RollbackInProgress'",
    replace: "status === 'Pending'",
  },
  {
    name: 'lets a refresh go on after a stop by hand',
    file: 'rollout/decision/refresh.ts',
    find: 'mayHaveStarted(memory) || isHeld(memory);',
    replace: 'false;',
  },
  {
    name: 'leaves what a cancelled refresh has launched ahead to Auto Scaling',
    file: 'rollout/decision/hold.ts',
    find: 'const raised = view.staying.length;',
    replace: 'const raised = view.desired;',
  },
  {
    name: 'leaves to Auto Scaling who goes when fewer are wanted meanwhile',
    file: 'rollout/decision/hold.ts',
    find: 'const raised = view.staying.length;',
    replace: 'const raised = Math.min(view.staying.length, view.wanted + view.surge);',
  },
  {
    name: 'cancels a refresh without keeping Auto Scaling from ending instances',
    file: 'rollout/decision/hold.ts',
    find: 'if (showsHold(group)) return [];',
    replace: 'return [];',
  },
  {
    name: 'asks a refresh for a percentage that is one instance too many',
    file: 'rollout/decision/refresh-request.ts',
    find: '* 100) / whole) - 1);',
    replace: '* 100) / whole));',
  },
  {
    name: 'rounds the fewest of a refresh up',
    file: 'rollout/decision/refresh-request.ts',
    find: 'Math.floor((floor * 100) / whole);',
    replace: 'Math.ceil((floor * 100) / whole);',
  },
  // Drains.
  {
    name: 'takes silence of a drain for its end',
    file: 'rollout/drains/http-hook.ts',
    find: "if (error instanceof NoAnswer) return answered('waiting', error.message);",
    replace: "if (error instanceof NoAnswer) return answered('passed', error.message);",
  },
  {
    name: 'takes a command that says not yet for one that is done',
    file: 'rollout/drains/command.ts',
    find: "if (result.kind === 'yes')",
    replace: "if (result.kind !== 'no')",
  },
  {
    name: 'does not give back the work it has drained',
    file: 'rollout/act.ts',
    find: 'await drainOf(done).abort(context, action.instances);',
    replace: '',
  },
  {
    name: 'drains an instance again where it should give its work back',
    file: 'rollout/drains/http-hook.ts',
    find: "post(spec, context, 'abort', instance)",
    replace: "post(spec, context, 'drain', instance)",
  },
  {
    name: 'ends a victim that somebody holds back meanwhile',
    file: 'rollout/decision/victims.ts',
    find: 'taken.filter((one) => isHeldBack(assignment, one))',
    replace: 'taken.filter((one) => isHeldBack(assignment, one) && false)',
  },
  {
    name: 'takes a question not answered yet for one that has passed',
    file: 'rollout/gates/gates.ts',
    find: "if (!answer) return { status: 'waiting'",
    replace: "if (!answer) return { status: 'passed'",
  },
  {
    name: 'terminates as soon as the drain has begun',
    file: 'rollout/drains/target-group.ts',
    find: "state !== 'unused'",
    replace: "state !== 'unused' && state !== 'draining'",
  },
  {
    name: 'lets a drain that is late go, whatever its policy',
    file: 'rollout/decision/drainage.ts',
    find: "case 'skip':",
    replace: "case 'fail':\n    case 'skip':",
  },
  {
    name: 'does not wait for the deadline of a drain',
    file: 'rollout/decision/drainage.ts',
    find: 'now - current.since >= drain.deadlineMs',
    replace: 'now - current.since >= drain.deadlineMs / 10',
  },
  // Behind a termination hook.
  {
    name: 'lets an instance go before its work has ended',
    file: 'rollout/decision/handover.ts',
    find: "if (answer.status === 'passed') return 'done';",
    replace: "if (answer.status) return 'done';",
  },
  {
    name: 'never completes its hook',
    file: 'rollout/decision/handover.ts',
    find: "if (verdict === 'done') ended.push(id);",
    replace: "if (verdict === 'done') continue;",
  },
  {
    name: 'sends no heartbeat',
    file: 'rollout/decision/handover.ts',
    find: 'if (due.length > 0) {',
    replace: 'if (due.length < 0) {',
  },
  {
    name: 'sends no heartbeat while a call is in doubt',
    file: 'rollout/decision/decide.ts',
    find: 'return { actions: handing, memory: answered,',
    replace: 'return { actions: [], memory: answered,',
  },
  // Who is held back.
  {
    name: 'works on groups that another release holds',
    file: 'rollout/tags.ts',
    find: 'if (holder === null || holder === release) return;',
    replace: 'if (holder !== release || holder) return;',
  },
  {
    name: 'replaces protected instances',
    file: 'rollout/decision/members.ts',
    find: "if (instance.protectedFromScaleIn) return spec.protectedInstances ?? 'wait';",
    replace: '',
  },
  {
    name: 'replaces instances in Standby',
    file: 'rollout/decision/members.ts',
    find: "if (standby(instance)) return spec.standbyInstances ?? 'wait';",
    replace: '',
  },
  {
    name: 'takes protected instances when there are too many',
    file: 'rollout/decision/surplus.ts',
    find: 'boolean => !protectedFromScaleIn;',
    replace: 'boolean => !protectedFromScaleIn || true;',
  },
  // Versions.
  {
    name: 'pins nobody before the version exists',
    file: 'rollout/versions.ts',
    find: 'templates.includes(template.id)',
    replace: 'false',
  },
  {
    name: 'makes a version again after every crash',
    file: 'rollout/versions.ts',
    find: 'const token = sha256(',
    replace: 'const token = journal.records().length + sha256(',
  },
  // Giving back.
  {
    name: 'leaves MaxSize raised',
    file: 'rollout/decision/borrow.ts',
    find: 'if (owed.max && view.desired <= owed.max.from) {',
    replace: 'if (owed.max && false) {',
  },
  {
    name: 'leaves AZRebalance suspended',
    file: 'rollout/decision/borrow.ts',
    find: 'if (owed.suspended.length > 0) {',
    replace: 'if (owed.suspended.length > 1) {',
  },
  {
    name: 'suspends what an operator has suspended, and resumes it',
    file: 'rollout/decision/borrow.ts',
    find: 'group.zones.length > 1 && !group.suspendedProcesses.includes(rebalance)',
    replace: 'group.zones.length > 1 && !owed.suspended.includes(rebalance)',
  },
  {
    name: 'leaves its marks behind',
    file: 'rollout/decision/decide.ts',
    find: 'if (owed.tagged) {',
    replace: 'if (owed.tagged && false) {',
  },
  // What others want, and what reads may be trusted with.
  {
    name: 'insists on the desired of the beginning',
    file: 'rollout/decision/perceive.ts',
    find: 'wanted: Math.min(to, limit), expected: to',
    replace: 'expected: to',
  },
  {
    name: 'writes its desired over one that others have just set',
    file: 'rollout/decision/borrow.ts',
    find: 'desired: raised, ifDesired: view.desired',
    replace: 'desired: raised',
  },
  // The record.
  {
    name: 'acts before it writes that it will',
    file: 'rollout/act.ts',
    find: "  await journal.append({ type: 'intent', data: intent });\n",
    replace: '',
  },
  // Warm pools.
  {
    name: 'leaves the warm pool on the image that was left behind',
    file: 'rollout/decision/pool.ts',
    find: 'if (instances.length === 0) return [];',
    replace: 'if (instances.length >= 0) return [];',
  },
];
