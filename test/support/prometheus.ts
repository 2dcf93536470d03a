/** Reading /metrics. */

export interface Scrape {
  /** The sum over all series of a name whose labels include the given ones; 0 when there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
  /** Every name. */
  readonly names: ReadonlySet<string>;
}

export async function scrape(url: string): Promise<Scrape> {
  const response = await fetch(`${url}/metrics`);
  if (!response.ok) throw new Error(`/metrics answers ${response.status}`);
  const series = (await response.text())
    .split('\n')
    .map((line) => /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, name, labels = '', value]) => ({ name: name!, labels, value: Number(value) }));
  return {
    names: new Set(series.map(({ name }) => name)),
    sum(name, labels = {}) {
      const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
      return series
        .filter((one) => one.name === name && wanted.every((label) => one.labels.split(',').includes(label)))
        .reduce((sum, { value }) => sum + value, 0);
    },
  };
}
