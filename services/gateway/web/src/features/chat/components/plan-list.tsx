import type { ReactNode } from 'react';
import { PlanUpdated_Step_State as State } from '@gen/lucid/sessions/v1/event_pb';
import { Icon } from '@/components/ui/icon';
import type { PlanCard } from '../stores/cards';

const LOOKS: Readonly<Partial<Record<State, readonly [string, string]>>> = {
  [State.PENDING]: ['pending', 'not begun'],
  [State.IN_PROGRESS]: ['active', 'being worked on'],
  [State.DONE]: ['done', 'done'],
  [State.DROPPED]: ['dropped', 'given up'],
};

/** The agent's plan as a checklist; each update changes it in place. */
export function PlanList({ card }: { card: PlanCard }): ReactNode {
  const { steps, explanation } = card.plan;
  const done = steps.filter((step) => step.state === State.DONE).length;
  return (
    <article className="plan" data-testid="plan" data-seq={card.seq}>
      <header className="plan-head">
        <Icon name="list" size={14} /> Plan{' '}
        <span className="muted small">
          {done} of {steps.length}
        </span>
      </header>
      <ol className="plan-steps">
        {steps.map((step) => {
          const [look, word] = LOOKS[step.state] ?? ['pending', 'not begun'];
          return (
            <li key={step.id} className={`plan-step plan-${look}`}>
              <span className="plan-mark" role="img" aria-label={word}>
                {look === 'done' && <Icon name="check" size={12} />}
              </span>
              <span>
                {step.text}
                {step.note !== '' && <span className="muted"> – {step.note}</span>}
              </span>
            </li>
          );
        })}
      </ol>
      {explanation !== '' && <p className="plan-why muted small">{explanation}</p>}
    </article>
  );
}
