import type { ReactNode } from 'react';
import { NetworkMode } from '@gen/lucid/sessions/v1/event_pb';

const MODES: readonly (readonly [NetworkMode, string, string])[] = [
  [NetworkMode.UNSPECIFIED, 'As installed', 'As far as the operator allows'],
  [NetworkMode.OFF, 'Off', 'Nothing but the repository; packages cannot be installed'],
  [NetworkMode.REGISTRIES, 'Registries', 'Package registries that the operator has named'],
  [NetworkMode.LIST, 'List', 'The registries, and further hosts that the operator has named'],
];

interface NetworkFieldProps {
  readonly value: NetworkMode;
  readonly onChange: (value: NetworkMode) => void;
}

/** What the sandbox may reach; chosen with the task, for as long as the session lives. */
export function NetworkField({ value, onChange }: NetworkFieldProps): ReactNode {
  return (
    <fieldset className="field" data-testid="network">
      <legend className="field-label">Network of the sandbox</legend>
      <div className="segments">
        {MODES.map(([mode, word]) => (
          <label key={mode} className="segment">
            <input type="radio" name="network" className="visually-hidden" checked={value === mode} onChange={() => onChange(mode)} />
            <span>{word}</span>
          </label>
        ))}
      </div>
      <p className="hint">{MODES.find(([mode]) => mode === value)?.[2]}</p>
    </fieldset>
  );
}
