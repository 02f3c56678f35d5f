import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { ConfirmationMode } from '@gen/lucid/sessions/v1/event_pb';
import { modelsQuery } from '../api/list-models';
import type { PolicyDraft } from './policy';

const MODES: readonly (readonly [ConfirmationMode, string, string])[] = [
  [ConfirmationMode.UNSPECIFIED, 'As installed', 'What the operator has set; nothing is asked in a sandbox unless they chose otherwise'],
  [ConfirmationMode.NEVER, 'Never', 'The sandbox bounds what can go wrong'],
  [ConfirmationMode.RISKY, 'When risky', 'What cannot be undone, or reaches beyond the sandbox'],
  [ConfirmationMode.ALWAYS, 'Always', 'Every command, edit and outward act'],
];

interface PolicyFieldsProps {
  readonly value: PolicyDraft;
  readonly onChange: (value: PolicyDraft) => void;
}

/** What the agent asks first, what it may use, who answers when its model fails. */
export function PolicyFields({ value, onChange }: PolicyFieldsProps): ReactNode {
  const models = useQuery(modelsQuery).data ?? [];
  const field = (name: 'dollars' | 'steps' | 'minutes', label: string): ReactNode => (
    <label className="field">
      <span className="field-label">{label}</span>
      <input
        className="input"
        inputMode="decimal"
        placeholder="default"
        value={value[name]}
        data-testid={`budget-${name}`}
        onChange={(event) => onChange({ ...value, [name]: event.target.value })}
      />
    </label>
  );
  const hint = MODES.find(([mode]) => mode === value.confirmation)?.[2];
  return (
    <div className="policy">
      <fieldset className="field">
        <legend className="field-label">Ask me first</legend>
        <div className="segments">
          {MODES.map(([mode, word]) => (
            <label key={mode} className="segment">
              <input
                type="radio"
                name="confirmation"
                className="visually-hidden"
                checked={value.confirmation === mode}
                onChange={() => onChange({ ...value, confirmation: mode })}
              />
              <span>{word}</span>
            </label>
          ))}
        </div>
        <p className="hint">{hint}</p>
      </fieldset>
      <fieldset className="field">
        <legend className="field-label">Ask for more beyond</legend>
        <div className="policy-budget">
          {field('dollars', 'Dollars')}
          {field('steps', 'Steps a turn')}
          {field('minutes', 'Minutes a turn')}
        </div>
      </fieldset>
      <label className="field">
        <span className="field-label">If the model fails, ask</span>
        <select className="input" value={value.fallbackModel} data-testid="fallback-model" onChange={(event) => onChange({ ...value, fallbackModel: event.target.value })}>
          <option value="">No other model</option>
          {models
            .filter((model) => !model.isDemo || model.model === value.fallbackModel)
            .map((model) => (
              <option key={model.model} value={model.model}>
                {model.label || model.model}
              </option>
            ))}
        </select>
      </label>
    </div>
  );
}
