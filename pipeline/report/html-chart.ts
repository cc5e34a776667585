/** A group's sizes over time as an SVG: instances by version as areas, serving and desired as lines. */
import { timestamp } from '../clock.ts';
import type { FleetSize } from '../journal/fold.ts';
import { coordinate, duration, epochMs, html, type Markup, timeOfDay } from './html-markup.ts';

const width = 500;
const height = 172;
const plot = { left: 26, right: width - 8, top: 10, bottom: height - 24 };

/**
 * Steps, not slopes: between two records the sizes did not change, and the last holds until the group finished
 * (`until`, RFC 3339; null when it did not). Null with fewer than two records.
 */
export function renderSizesChart(
  group: string,
  recorded: readonly FleetSize[],
  until: string | null,
): Markup | null {
  const first = recorded[0];
  const newest = recorded.at(-1);
  if (!first || !newest || recorded.length < 2) return null;
  const fromMs = epochMs(first.at);
  // A twenty-fifth of the width at least, so that the last step can be seen.
  const lastMs = epochMs(newest.at);
  const toMs = Math.max(until ? epochMs(until) : 0, Math.ceil(lastMs + (lastMs - fromMs) / 25), fromMs + 1);
  const last = { ...newest, at: timestamp(toMs) };
  const sizes = [...recorded, last];
  const top = Math.max(1, ...sizes.map((s) => Math.max(s.total, s.desired, s.healthy))) + 0.4;
  const x = (at: string) => plot.left + ((epochMs(at) - fromMs) / (toMs - fromMs)) * (plot.right - plot.left);
  const y = (n: number) => plot.bottom - (n / top) * (plot.bottom - plot.top);

  const steps = (value: (size: FleetSize) => number): string => {
    let path = `M${coordinate(x(first.at))} ${coordinate(y(value(first)))}`;
    for (const size of sizes.slice(1)) path += `H${coordinate(x(size.at))}V${coordinate(y(value(size)))}`;
    return path;
  };
  const area = (lower: (size: FleetSize) => number, upper: (size: FleetSize) => number): string => {
    let path = `${steps(upper)}V${coordinate(y(lower(last)))}`;
    for (let n = sizes.length - 1; n > 0; n--) {
      path += `H${coordinate(x(sizes[n]!.at))}V${coordinate(y(lower(sizes[n - 1]!)))}`;
    }
    return `${path}H${coordinate(x(first.at))}Z`;
  };

  const grid = gridValues(top).map(
    (
      n,
    ) => html`<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${coordinate(y(n))}" y2="${coordinate(y(n))}"/>
<text x="${plot.left - 7}" y="${coordinate(y(n) + 4)}" text-anchor="end">${n}</text>`,
  );
  const least = Math.min(...sizes.map((size) => size.healthy - size.desired));
  const described = `${group}: from ${first.target} to ${last.target} instances on the target version within ${duration(toMs - fromMs)}; serving capacity ${least >= 0 ? 'never fell below desired' : `fell ${-least} below desired at the lowest`}.`;
  return html`<figure><svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${described}"><title>${described}</title>
${grid}
<path class="a-target" d="${area(
    () => 0,
    (s) => s.target,
  )}"/>
<path class="a-previous" d="${area(
    (s) => s.target,
    (s) => s.target + s.previous,
  )}"/>
<path class="l-desired" d="${steps((s) => s.desired)}"/>
<path class="l-healthy" d="${steps((s) => s.healthy)}"/>
<text x="${plot.left}" y="${height - 6}">${timeOfDay(first.at)}</text>
<text x="${plot.right}" y="${height - 6}" text-anchor="end">+${duration(toMs - fromMs)}</text>
</svg></figure>`;
}

function gridValues(top: number): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((n) => top / n <= 5) ?? 10_000;
  return Array.from({ length: Math.floor(top / step) + 1 }, (_, n) => n * step);
}
