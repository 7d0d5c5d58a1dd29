import type { Sample } from '../model/sample.ts';
import type { Schema } from '../model/stat.ts';
import type { FamilyHead, MetricFamily } from '../protocol/openmetrics/family.ts';
import { LabelSet } from '../protocol/openmetrics/labels.ts';
import type { DomainValues } from './collect.ts';
import { ObjectLabels } from './object-labels.ts';
import { Pace } from './pace.ts';
import { histogramPoints, linesOf, numberPoints, summedPoints } from './points.ts';
import type { Selection, ShownStat } from './selection.ts';
import type { LabelledSample, ObjectGroup, StatSource } from './stat-source.ts';

/** A family, and where its series come from. */
interface FamilyPlan {
  readonly head: FamilyHead;
  /** Whose the name is: another stat that would have the same is left out. */
  readonly owner: string;
  readonly sources: StatSource[];
}

/** Families that fit, and how many series did not. */
export interface StatFamilies {
  readonly families: readonly MetricFamily[];
  /** Lines that were left out, those of whole families: the first that would have passed the bound, and all behind it. */
  readonly droppedByBudget: number;
  /** Lines of stats whose name another stat has. */
  readonly droppedByName: number;
}

/**
 * The values of domains as families: numbers in the order of the schemas, then histograms. Where more than `maxSeries` lines
 * would come of it, what is last is left out, whole families of it and for all domains alike, so that what is there can be
 * compared.
 */
export async function statFamilies(
  domains: readonly DomainValues[],
  selection: Selection,
  maxSeries: number,
): Promise<StatFamilies> {
  const pace = new Pace();
  const kinds = await kindsOf(domains, selection, pace);
  const { plans, droppedByName } = await plansOf(kinds, pace);
  const ordered = [...plans.values()].sort((a, b) => rankOf(a.head) - rankOf(b.head));
  const families: MetricFamily[] = [];
  let [left, droppedByBudget] = [maxSeries, 0];
  for (const plan of ordered) {
    const lines = await countLines(plan.sources, pace);
    left -= lines;
    if (left >= 0) families.push(familyOf(plan));
    else droppedByBudget += lines;
  }
  return { families, droppedByBudget, droppedByName };
}

/** Groups of objects by what their schemas show: a host has few kinds of them, and many domains. */
async function kindsOf(
  domains: readonly DomainValues[],
  selection: Selection,
  pace: Pace,
): Promise<ReadonlyMap<readonly ShownStat[], ObjectGroup[]>> {
  const kinds = new Map<readonly ShownStat[], ObjectGroup[]>();
  for (const domain of domains) {
    const domainLabels = new LabelSet([['domain', domain.label]]);
    const byTarget = Map.groupBy(domain.samples, ({ target }) => target);
    for (const schema of domain.schemas) {
      const shown = selection.of(schema);
      const ofTarget = byTarget.get(schema.target);
      if (shown.length === 0 || ofTarget === undefined) continue;
      const group = { domainLabels, objects: labelled(schema, ofTarget, domainLabels) };
      const groups = kinds.get(shown);
      if (groups === undefined) kinds.set(shown, [group]);
      else groups.push(group);
    }
    await pace.rest();
  }
  return kinds;
}

/** Series must differ: of two objects with the same labels the first is kept. */
function labelled(
  { provider, target }: Schema,
  samples: readonly Sample[],
  domainLabels: LabelSet,
): readonly LabelledSample[] {
  const objects = new ObjectLabels(target, samples);
  const seen = new Map<string, LabelledSample>();
  for (const sample of samples) {
    if (sample.provider !== provider) continue;
    const own = objects.of(sample);
    const key = JSON.stringify(own);
    if (!seen.has(key)) seen.set(key, { sample, labels: own.length === 0 ? domainLabels : domainLabels.with(...own) });
  }
  return [...seen.values()];
}

async function plansOf(
  kinds: ReadonlyMap<readonly ShownStat[], ObjectGroup[]>,
  pace: Pace,
): Promise<{ readonly plans: ReadonlyMap<string, FamilyPlan>; readonly droppedByName: number }> {
  const plans = new Map<string, FamilyPlan>();
  let droppedByName = 0;
  for (const [stats, groups] of kinds) {
    for (const shown of stats) {
      const { family, owner } = shown;
      const source = { shown, groups };
      const plan = plans.get(family.name);
      if (plan === undefined) plans.set(family.name, { head: family, owner, sources: [source] });
      else if (plan.owner === owner) plan.sources.push(source);
      else droppedByName += await countLines([source], pace);
    }
    await pace.rest();
  }
  return { plans, droppedByName };
}

function rankOf({ type }: FamilyHead): number {
  return type === 'histogram' ? 1 : 0;
}

async function countLines(sources: readonly StatSource[], pace: Pace): Promise<number> {
  let lines = 0;
  for (const { shown, groups } of sources) {
    for (const group of groups) {
      lines += linesOf(group, shown);
      // The first to look at values has them decoded.
      if (pace.isDue) await pace.rest();
    }
  }
  return lines;
}

function familyOf({ head, sources }: FamilyPlan): MetricFamily {
  const { name, type, unit, help } = head;
  const common = { name, help, ...(unit !== undefined && { unit }) };
  if (type === 'histogram') return { ...common, type, points: anew(() => histogramPoints(sources)) };
  return { ...common, type, points: anew(() => chosenPoints(sources)) };
}

function* chosenPoints(sources: readonly StatSource[]): ReturnType<typeof numberPoints> {
  for (const source of sources) yield* source.shown.shown === 'sum' ? summedPoints(source) : numberPoints(source);
}

function anew<T>(make: () => Iterator<T>): Iterable<T> {
  return { [Symbol.iterator]: make };
}
