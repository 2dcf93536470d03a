import { invalidField } from '#lib/fault/fault.ts';

/**
 * T, T - T/S, ... rounded (half to even, as numpy does), minus 1: the first step starts from pure noise (Lin et
 * al., "Common diffusion noise schedules and sample steps are flawed", 2023, table 2).
 */
export function trailingTimesteps(trainTimesteps: number, stepCount: number): number[] {
  const interval = trainTimesteps / stepCount;
  return Array.from(
    { length: stepCount },
    (_, step) => roundHalfToEven(trainTimesteps - step * interval) - 1,
  );
}

/**
 * What the released DiffTalk code does: range(0, T, floor(T / S)) + 1, reversed. So the number of steps is not
 * always S (30 gives 31), and at some S the last timestep would be T, which that code fails on; those are refused.
 *
 * @throws Fault invalid STEPS_UNSUPPORTED, which names the nearest counts that work
 */
export function leadingPlusOneTimesteps(trainTimesteps: number, stepCount: number, field: string): number[] {
  if (overruns(trainTimesteps, stepCount)) {
    const works = (count: number): boolean => !overruns(trainTimesteps, count);
    const below = Array.from({ length: stepCount - 1 }, (_, offset) => stepCount - 1 - offset).find(works);
    const above = Array.from(
      { length: trainTimesteps - stepCount },
      (_, offset) => stepCount + 1 + offset,
    ).find(works);
    const nearest = [below, above].filter((count) => count !== undefined);
    throw invalidField(
      'STEPS_UNSUPPORTED',
      field,
      `is ${stepCount}, at which the bundle's timestep spacing (leading-plus-one) overruns its ${trainTimesteps} timesteps; ${nearest.join(' or ')} works`,
    );
  }
  const interval = Math.floor(trainTimesteps / stepCount);
  const timesteps: number[] = [];
  for (let timestep = 1; timestep <= trainTimesteps; timestep += interval) timesteps.push(timestep);
  return timesteps.reverse();
}

function overruns(trainTimesteps: number, stepCount: number): boolean {
  const interval = Math.floor(trainTimesteps / stepCount);
  const last = Math.floor((trainTimesteps - 1) / interval) * interval + 1;
  return last > trainTimesteps - 1;
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
