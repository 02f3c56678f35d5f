import type { ReactNode } from 'react';
import { Popover } from '@/components/ui/popover';
import { count, duration, money, share } from '@/lib/format';
import type { Header, ModelCall } from '../stores/timeline-model';

/** What the session has cost so far and how full the model's context is; the calls one by one on demand. */
export function UsageFacts({ header }: { header: Header }): ReactNode {
  if (header.calls.length === 0) return null;
  const fill = header.contextWindow > 0 ? header.contextUsed / header.contextWindow : undefined;
  const cost = costOf(header);
  const label = `Usage: ${cost}${fill === undefined ? '' : `, context ${share(fill)} full`}`;
  return (
    <Popover
      label={label}
      className="usage-button"
      testId="usage"
      face={
        <>
          <span>{cost}</span>
          {header.budgetMicros > 0n && <BudgetBar header={header} />}
          {fill !== undefined && <Ring fill={fill} />}
        </>
      }
    >
      <Details header={header} fill={fill} cost={cost} />
    </Popover>
  );
}

function costOf(header: Header): string {
  if (header.priceKnown) return money(header.costMicros, header.currency);
  return header.costMicros > 0n ? `${money(header.costMicros, header.currency)} + price unknown` : 'price unknown';
}

function BudgetBar({ header }: { header: Header }): ReactNode {
  const part = Math.min(1, Number(header.costMicros) / Number(header.budgetMicros));
  return (
    <span
      className="budget-bar"
      role="meter"
      aria-label="Budget"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(part * 100)}
      title={`${share(part)} of ${money(header.budgetMicros, header.currency)}`}
      data-testid="budget-bar"
    >
      <span className={part > 0.8 ? 'budget-fill budget-fill-near' : 'budget-fill'} style={{ width: `${part * 100}%` }} />
    </span>
  );
}

/** How full the context is, as a ring. */
function Ring({ fill }: { fill: number }): ReactNode {
  const around = 2 * Math.PI * 6;
  return (
    <svg className={fill > 0.8 ? 'ring ring-near' : 'ring'} width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="6" className="ring-track" />
      <circle cx="8" cy="8" r="6" className="ring-fill" strokeDasharray={`${Math.min(1, fill) * around} ${around}`} transform="rotate(-90 8 8)" />
    </svg>
  );
}

function Details({ header, fill, cost }: { header: Header; fill: number | undefined; cost: string }): ReactNode {
  return (
    <div className="usage">
      <dl className="usage-sums">
        <Fact name="Cost so far" value={cost} />
        {header.budgetMicros > 0n && <Fact name="Budget" value={money(header.budgetMicros, header.currency)} />}
        <Fact name="Tokens" value={count(header.tokens)} note={header.tokens.toLocaleString('en')} />
        {fill !== undefined && <Fact name="Context" value={`${count(header.contextUsed)} of ${count(header.contextWindow)}`} note={`${share(fill)} full`} />}
      </dl>
      <table className="usage-calls">
        <caption>Last model calls</caption>
        <thead>
          <tr>
            <th scope="col">Read</th>
            <th scope="col" title="Share of what was read that came from the provider's cache">
              Cached
            </th>
            <th scope="col">Written</th>
            <th scope="col" title="Until the first token">
              First
            </th>
            <th scope="col">Time</th>
            <th scope="col">Cost</th>
          </tr>
        </thead>
        <tbody>
          {header.calls.toReversed().map((call) => (
            <Call key={call.seq} call={call} currency={header.currency} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Fact({ name, value, note }: { name: string; value: string; note?: string }): ReactNode {
  return (
    <div title={note}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Call({ call, currency }: { call: ModelCall; currency: string }): ReactNode {
  const { usage } = call;
  const read = usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;
  return (
    <tr title={usage.model}>
      <td>{count(read)}</td>
      <td>{read === 0 ? '–' : share(usage.cacheReadTokens / read)}</td>
      <td>{count(usage.outputTokens)}</td>
      <td>{usage.firstTokenMs > 0n ? duration(Number(usage.firstTokenMs)) : '–'}</td>
      <td>{duration(Number(usage.latencyMs))}</td>
      <td>{usage.priceKnown ? money(usage.costMicros, usage.currency || currency) : 'unknown'}</td>
    </tr>
  );
}
