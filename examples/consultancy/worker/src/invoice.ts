/** What the site tells of an engagement: amounts are text, for they are decimals. */
export interface Line {
  day: string;
  hours: string;
  note: string;
}

export interface Invoice {
  client: string;
  title: string;
  rate: string;
  lines: Line[];
  total: string;
}

/** The invoice as a person reads it, one entry a line. */
export function written(invoice: Invoice): string {
  const head = `${invoice.title} for ${invoice.client}, ${invoice.rate} an hour`;
  const lines = invoice.lines.map((line) => `  ${line.day}  ${line.hours.padStart(6)} h  ${line.note}`.trimEnd());
  return [head, ...lines, `  total ${invoice.total}`, ""].join("\n");
}
